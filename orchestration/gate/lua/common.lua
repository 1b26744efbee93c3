-- Shared by every script of the gate. All keys are of one location, except `epoch`, which is of the whole Redis.
-- Times are milliseconds by Redis' own clock: the clocks of hosts differ.
local parked = KEYS[1]    -- ZSET id -> place in the queue: waits to be admitted
local later = KEYS[2]     -- ZSET id -> time: waits for its time, then for admission
local messages = KEYS[3]  -- HASH id -> the message, which is never decoded here
local ranks = KEYS[4]     -- HASH id -> place in the queue
local sent = KEYS[5]      -- HASH id -> how often it was published
local admitted = KEYS[6]  -- ZSET id -> when it counts as lost
local permits = KEYS[7]   -- ZSET execution -> when its lease ends
local grants = KEYS[8]    -- LIST of the times of the last grants, newest first
local state = KEYS[9]     -- HASH closed_until, closings, step, turn
local wake = KEYS[10]     -- LIST on which callers wait for a permit
local keeping = KEYS[11]  -- ZSET id -> until when its answer may be being stored
local epoch = KEYS[12]    -- STRING the run of the server, from when on it counts, and whether it has the closings

local limit = tonumber(ARGV[1])      -- requests in flight
local head = tonumber(ARGV[2])       -- messages beyond that in the broker
local lease = tonumber(ARGV[3])
local patience = tonumber(ARGV[4])   -- how long a published message may wait for its start
local is_broker = ARGV[5] == '1'     -- whether the queues of the caller's broker are on this server

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function server()
  return string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
end

-- A Redis that was emptied does not know which requests are at Apple, and one that was restored from a snapshot, or
-- from another server's copy, has outdated data. For one lease every gate stays shut, while requests at Apple
-- renew their permits; then the count is right again. And it stays shut until it has the closings of the database.
-- Only a script that is about to grant a permit compares the run of the server: that takes longer than the rest.
local function shut_until(is_careful)
  local id, opens, restored = string.match(redis.call('GET', epoch) or '', '^(%x+) (%d+) (%d)$')
  if not id or (is_careful and id ~= server()) then
    opens, restored = now + lease, '0'
    redis.call('SET', epoch, string.format('%s %d %s', server(), opens, restored))
  end
  local closed = tonumber(redis.call('HGET', state, 'closed_until') or 0)
  local unrestored = restored == '1' and 0 or now + 100
  return math.max(tonumber(opens), closed, unrestored)
end

-- Shut the gate for a time, unless it is shut for longer.
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
  -- A message in a long queue is not lost: each time it is published again, it may wait twice as long.
  redis.call('ZADD', admitted, now + patience * 2 ^ math.min(times - 1, 10), id)
  if is_broker then
    local queue, before, after = string.match(message, '^!([^\n]+)\n([^\n]*)\n([^\n]*)$')
    if queue then -- it goes there in this step, with a delivery tag of its own; two steps may be in one millisecond
      local tag = redis.sha1hex(string.format('%s %d %s %s', id, times, time[1], time[2]))
      redis.call('LPUSH', queue, before .. tag .. after)
      return
    end
  end
  result[#result + 1] = id
  result[#result + 1] = message
end

local function earliest(key)
  local first = redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')
  return first[2] and tonumber(first[2]) or math.huge
end

-- Move messages on: due ones are parked, lost ones are published again, and those that may run are admitted.
-- Returns the time of the next look (-1: never), then id, message, id, message, ...
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
