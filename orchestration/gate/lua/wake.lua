-- Have a gate looked at by some time. KEYS: the list of due gates. Whoever is looking at it just now sees that its time
-- has changed, even if it is due already: what he is about to say of it would else be the last word.
local location, at = ARGV[1], tonumber(ARGV[2])
local due = tonumber(redis.call('ZSCORE', KEYS[1], location) or at)
return redis.call('ZADD', KEYS[1], string.format('%.3f', math.min(at, due - 0.001)), location)
