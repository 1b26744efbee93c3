-- Park messages by their ids: each once, however often it is sent.
local rank = tonumber(ARGV[6])
for place = 7, #ARGV, 2 do
  local id = ARGV[place]
  if redis.call('HSETNX', messages, id, ARGV[place + 1]) == 1 then
    local at = string.format('%d', rank * 1000000000 + redis.call('HINCRBY', state, 'turn', 1))
    redis.call('HSET', ranks, id, at)
    redis.call('ZADD', parked, at, id)
  end
end
return admit()
