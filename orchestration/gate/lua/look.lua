-- Return, and change nothing: in flight, waiting, admitted, and how long the gate stays shut.
local in_flight = redis.call('ZCOUNT', permits, '(' .. now, '+inf')
local waiting = redis.call('ZCARD', parked) + redis.call('ZCARD', later)
return { in_flight, waiting, redis.call('ZCARD', admitted), math.max(0, shut_until() - now) }
