-- Take a permit for one execution. Gives {1, closings}, or {0, milliseconds to wait, or -1 for: until one is given back}.
local execution, id, rate, window = ARGV[5], ARGV[6], tonumber(ARGV[7]), tonumber(ARGV[8])
local sole = ARGV[9]  -- of executions whose names begin so, one at a time; empty for any number
if redis.call('HEXISTS', messages, id) == 1 then
  redis.call('ZREM', parked, id)
  redis.call('ZREM', later, id)
  redis.call('ZADD', admitted, now + lease, id)
end
redis.call('ZREMRANGEBYSCORE', permits, '-inf', now)
local shut = shut_until()
if shut > now then
  return { 0, shut - now, 'shut' }
end
local living = redis.call('ZRANGE', permits, 0, -1)
if #living >= limit then
  return { 0, -1, 'full' }
end
if sole ~= '' then
  for _, other in ipairs(living) do
    if string.sub(other, 1, #sole) == sole then
      return { 0, -1, 'full' }
    end
  end
end
if rate > 0 then
  -- Apple counts arrivals, we count grants: the window is a little longer than Apple's second.
  local oldest = redis.call('LINDEX', grants, rate - 1)
  if oldest and now - tonumber(oldest) < window then
    return { 0, window - (now - tonumber(oldest)), 'fast' }
  end
  redis.call('LPUSH', grants, string.format('%d', now))
  redis.call('LTRIM', grants, 0, rate - 1)
  redis.call('PEXPIRE', grants, window)
end
redis.call('ZADD', permits, now + lease, execution)
return { 1, tonumber(redis.call('HGET', state, 'closings') or 0) }
