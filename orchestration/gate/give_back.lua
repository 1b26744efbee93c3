-- Give a permit back; where Apple asked for less, close the gate in the same step, before the next one can get in.
local execution, closings, slow = ARGV[5], tonumber(ARGV[6]), ARGV[7] == '1'
local wait, base, cap = tonumber(ARGV[8]), tonumber(ARGV[9]), tonumber(ARGV[10])
redis.call('ZREM', permits, execution)
local is_first = closings == tonumber(redis.call('HGET', state, 'closings') or 0)
if slow then
  -- Five answers to one mistake are one closing: only the first of them makes the next wait longer.
  if is_first then
    redis.call('HINCRBY', state, 'closings', 1)
    local step = redis.call('HINCRBY', state, 'step', 1)
    if wait < 0 then
      wait = math.min(cap, base * 2 ^ (step - 1))
    end
  end
  if wait >= 0 then
    local closed = tonumber(redis.call('HGET', state, 'closed_until') or 0)
    redis.call('HSET', state, 'closed_until', string.format('%d', math.max(closed, now + wait)))
  end
elseif is_first then
  redis.call('HDEL', state, 'step')
end
redis.call('LPUSH', wake, 1)
redis.call('LTRIM', wake, 0, 1)
redis.call('PEXPIRE', wake, 2000)
-- When the gate opens again, so that somebody looks then; 0 where it is open.
return slow and shut_until() or 0
