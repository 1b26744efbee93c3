-- Note that this Redis was told what Apple asked for, if it is still the one that was not. KEYS: the epoch.
local untold = ARGV[1]
if redis.call('GET', KEYS[1]) == untold then
  redis.call('SET', KEYS[1], string.sub(untold, 1, -2) .. '1')
end
return 0
