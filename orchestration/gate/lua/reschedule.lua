-- Set when a gate is looked at next, unless that has changed since. KEYS: the list of due gates.
local location, seen, next = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
if tonumber(redis.call('ZSCORE', KEYS[1], location) or -2) ~= seen then
  return 0
end
if next < 0 then
  return redis.call('ZREM', KEYS[1], location)
end
return redis.call('ZADD', KEYS[1], next, location)
