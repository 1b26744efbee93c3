-- Give a permit back; if Apple asked for fewer requests, or is away, close the gate in the same step, before another can
-- be granted. Returns when the gate opens (0 if it is open), in how long that is, and how often in a row it was closed.
local execution, closings, outcome = ARGV[6], tonumber(ARGV[7]), ARGV[8]
local wait, base, cap = tonumber(ARGV[9]), tonumber(ARGV[10]), tonumber(ARGV[11])
local id, storing = ARGV[12], tonumber(ARGV[13])
redis.call('ZREM', permits, execution)
if redis.call('HEXISTS', messages, id) == 1 then
  redis.call('ZADD', keeping, now + storing, id)
end
local is_first = closings == tonumber(redis.call('HGET', state, 'closings') or 0)
if outcome == 'closed' then
  -- Five answers to one burst are one closing: only the first of them makes the next wait longer.
  if is_first then
    redis.call('HINCRBY', state, 'closings', 1)
    redis.call('HINCRBY', state, 'step', 1)
  end
  local step = math.max(1, tonumber(redis.call('HGET', state, 'step') or 1))
  wait = math.max(wait, math.min(cap, base * 2 ^ math.min(step - 1, 30)))
elseif is_first then
  redis.call('HDEL', state, 'step')
end
if wait >= 0 then
  shut(wait)
end
redis.call('LPUSH', wake, 1)
redis.call('LTRIM', wake, 0, 1)
redis.call('PEXPIRE', wake, 2000)
local opens = wait >= 0 and shut_until() or 0
return { opens, math.max(0, opens - now), tonumber(redis.call('HGET', state, 'step') or 0) }
