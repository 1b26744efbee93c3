-- Take a permit for one execution. Returns {1, closings}, or {0, milliseconds to wait (-1: until one is given back),
-- why}.
local execution, id, rate, window = ARGV[6], ARGV[7], tonumber(ARGV[8]), tonumber(ARGV[9])
local sole = ARGV[10]  -- of executions whose names begin with this, one at a time; empty for any number
local twin = ARGV[11] -- how the names of executions of the same message begin; empty if there is no message
redis.call('ZREMRANGEBYSCORE', permits, '-inf', now)
local living = redis.call('ZRANGE', permits, 0, -1)

local function lives(name)
  for _, other in ipairs(living) do
    if name ~= '' and string.sub(other, 1, #name) == name then
      return true
    end
  end
  return false
end

-- A message is one request, however often it is delivered: no permit while a copy of it has one, or stores its answer, or
-- is done.
redis.call('ZREMRANGEBYSCORE', keeping, '-inf', now)
if id ~= '' then
  if lives(twin) or redis.call('ZSCORE', keeping, id) or redis.call('HEXISTS', messages, id) == 0 then
    return { 0, -1, 'twin' }
  end
  redis.call('ZREM', parked, id)
  redis.call('ZREM', later, id)
  redis.call('ZADD', admitted, now + lease, id)
end
local opens = shut_until(true)
if opens > now then
  return { 0, opens - now, 'shut' }
end
if #living >= limit or lives(sole) then
  return { 0, -1, 'full' }
end
if rate > 0 then
  -- Apple counts arrivals, we count grants: the window is a little longer than Apple's second.
  local oldest = redis.call('LINDEX', grants, rate - 1)
  if oldest and now - tonumber(oldest) < window then
    return { 0, window - (now - tonumber(oldest)), 'fast' }
  end
end
-- A request without a rate is counted too, for those that have one.
redis.call('LPUSH', grants, string.format('%d', now))
redis.call('LTRIM', grants, 0, math.max(rate, 256) - 1)
redis.call('PEXPIRE', grants, window)
redis.call('ZADD', permits, now + lease, execution)
return { 1, tonumber(redis.call('HGET', state, 'closings') or 0) }
