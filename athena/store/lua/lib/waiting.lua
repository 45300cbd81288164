-- Lets a gateway hear of a job's end.
local function add_gateway(key, gateway)
  local gateways = redis.call('HGET', key, 'gateways') or ''
  for known in string.gmatch(gateways, '[^,]+') do
    if known == gateway then return end
  end
  redis.call('HSET', key, 'gateways', gateways == '' and gateway or gateways .. ',' .. gateway)
end
