-- Return, and change nothing: the executions that have a permit, how many messages wait and are admitted, and how long
-- the gate stays shut.
local living = redis.call('ZRANGEBYSCORE', permits, '(' .. now, '+inf')
local waiting = redis.call('ZCARD', parked) + redis.call('ZCARD', later)
return { living, waiting, redis.call('ZCARD', admitted), math.max(0, shut_until() - now) }
