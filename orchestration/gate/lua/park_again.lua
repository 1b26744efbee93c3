-- Park the message of a running task again; it keeps its place.
local id, delay = ARGV[6], tonumber(ARGV[7])
if redis.call('ZREM', admitted, id) == 0 then
  return admit()
end
redis.call('HDEL', sent, id)
redis.call('ZREM', keeping, id)
if delay > 0 then
  redis.call('ZADD', later, now + delay, id)
else
  redis.call('ZADD', parked, redis.call('HGET', ranks, id), id)
end
return admit()
