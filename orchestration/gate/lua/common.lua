-- What every script of the gate shares. All keys are of one location, but for `epoch`, which is the whole Redis'.
-- Times are milliseconds by Redis' own clock: the clocks of hosts differ.
local parked = KEYS[1]    -- ZSET id -> place in the queue: waits to be admitted
local later = KEYS[2]     -- ZSET id -> time: waits for its time, then for admission
local messages = KEYS[3]  -- HASH id -> the message, never decoded here
local ranks = KEYS[4]     -- HASH id -> place in the queue
local sent = KEYS[5]      -- HASH id -> how often it was published
local admitted = KEYS[6]  -- ZSET id -> when it is taken for lost
local permits = KEYS[7]   -- ZSET execution -> when its lease ends
local grants = KEYS[8]    -- LIST of the times of the last grants, newest first
local state = KEYS[9]     -- HASH closed_until, closings, step, turn
local wake = KEYS[10]     -- LIST that those who wait for a permit sleep on
local keeping = KEYS[11]  -- ZSET id -> until when what was answered to it is believed to be being stored
local epoch = KEYS[12]    -- STRING which server this is, from when on it may be believed, and whether it was told all

local limit = tonumber(ARGV[1])      -- requests in flight
local head = tonumber(ARGV[2])       -- messages beyond that in the broker
local lease = tonumber(ARGV[3])
local patience = tonumber(ARGV[4])   -- how long a published message may wait for its start

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function server()
  return string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
end

-- A Redis that was emptied does not know who is at Apple just now, and one that came back from a snapshot, or from
-- another server's copy, believes what was so once. For one lease every gate stays shut, while those who are at Apple
-- renew their permits; then the count is right again. And it stays shut until somebody has told what Apple asked for.
-- Only who is about to let a request through looks at which server this is: that takes longer than the rest.
local function shut_until(is_careful)
  local id, opens, told = string.match(redis.call('GET', epoch) or '', '^(%x+) (%d+) (%d)$')
  if not id or (is_careful and id ~= server()) then
    opens, told = now + lease, '0'
    redis.call('SET', epoch, string.format('%s %d %s', server(), opens, told))
  end
  local closed = tonumber(redis.call('HGET', state, 'closed_until') or 0)
  local untold = told == '1' and 0 or now + 100
  return math.max(tonumber(opens), closed, untold)
end

-- Shut the gate for so long, unless it is shut for longer.
local function shut(wait)
  local closed = tonumber(redis.call('HGET', state, 'closed_until') or 0)
  redis.call('HSET', state, 'closed_until', string.format('%d', math.max(closed, now + wait)))
end

local function forget(id)
  redis.call('ZREM', keeping, id)
  redis.call('ZREM', admitted, id)
  redis.call('HDEL', messages, id)
  redis.call('HDEL', ranks, id)
  redis.call('HDEL', sent, id)
end

local function publish(id, result)
  local message = redis.call('HGET', messages, id)
  if not message then
    forget(id)
    return
  end
  local times = redis.call('HINCRBY', sent, id, 1)
  -- What waits in a long queue is not lost: each time it is published again, it may wait twice as long.
  redis.call('ZADD', admitted, now + patience * 2 ^ math.min(times - 1, 10), id)
  result[#result + 1] = id
  result[#result + 1] = message
end

local function earliest(key)
  local first = redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')
  return first[2] and tonumber(first[2]) or math.huge
end

-- Move messages on: what is due is parked, what is lost is published again, and what may run is admitted.
-- Gives the time at which somebody should look again (-1: never), then id, message, id, message, ...
local function admit()
  local result = { -1 }
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', later, '-inf', now)) do
    redis.call('ZREM', later, id)
    redis.call('ZADD', parked, redis.call('HGET', ranks, id) or 0, id)
  end
  local opens = shut_until()
  if opens <= now then
    for _, id in ipairs(redis.call('ZRANGEBYSCORE', admitted, '-inf', now)) do
      publish(id, result)
    end
    while redis.call('ZCARD', admitted) < limit + head do
      local next = redis.call('ZPOPMIN', parked)
      if not next[1] then
        break
      end
      publish(next[1], result)
    end
  end
  local again = math.min(earliest(later), math.max(earliest(admitted), opens))
  if opens > now and redis.call('ZCARD', parked) > 0 then
    again = math.min(again, opens)
  end
  if again < math.huge then
    result[1] = string.format('%d', again)
  end
  return result
end
