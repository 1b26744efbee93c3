-- Park a message by its id: once, however often it is sent. With `again`, a running task parks its own.
local id, rank, delay, message, again = ARGV[5], ARGV[6], tonumber(ARGV[7]), ARGV[8], ARGV[9] == '1'
if again then
  if redis.call('ZREM', admitted, id) == 0 then
    return admit()
  end
  redis.call('HDEL', sent, id)
  redis.call('ZREM', keeping, id)
elseif redis.call('HSETNX', messages, id, message) == 0 then
  return admit()
else
  local turn = redis.call('HINCRBY', state, 'turn', 1)
  redis.call('HSET', ranks, id, string.format('%d', rank * 1000000000 + turn))
end
if delay > 0 then
  redis.call('ZADD', later, now + delay, id)
else
  redis.call('ZADD', parked, redis.call('HGET', ranks, id), id)
end
return admit()
