-- Renew the permits and then the tasks of one process. A permit that Redis lost is restored this way; a
-- message that is parked again does not run, whatever its process believes.
local count = tonumber(ARGV[6])
for place = 1, count do
  redis.call('ZADD', permits, now + lease, ARGV[6 + place])
end
for place = 7 + count, #ARGV do
  local id = ARGV[place]
  local waits = redis.call('ZSCORE', parked, id) or redis.call('ZSCORE', later, id)
  if redis.call('HEXISTS', messages, id) == 1 and not waits then
    redis.call('ZADD', admitted, now + lease, id)
  end
end
return 0
