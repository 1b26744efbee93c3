-- Note that this Redis has the closings, if it is still the same run that lacked them. KEYS: the epoch.
local untold = ARGV[1]
if redis.call('GET', KEYS[1]) == untold then
  redis.call('SET', KEYS[1], string.sub(untold, 1, -2) .. '1')
end
return 0
