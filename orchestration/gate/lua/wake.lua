-- Queue a look at a gate by some time. KEYS: the list of due gates. A process that is looking at it now sees that its time
-- has changed, even if it is due already: what that one is about to set would be the last word otherwise.
local location, at = ARGV[1], tonumber(ARGV[2])
local due = tonumber(redis.call('ZSCORE', KEYS[1], location) or at)
return redis.call('ZADD', KEYS[1], string.format('%.3f', math.min(at, due - 0.001)), location)
