-- Renew what lives in one process: permits of requests, then tasks. A permit that Redis forgot comes back this way.
local count = tonumber(ARGV[5])
for place = 1, count do
  redis.call('ZADD', permits, now + lease, ARGV[5 + place])
end
for place = 6 + count, #ARGV do
  if redis.call('HEXISTS', messages, ARGV[place]) == 1 then
    redis.call('ZADD', admitted, now + lease, ARGV[place])
  end
end
return 0
