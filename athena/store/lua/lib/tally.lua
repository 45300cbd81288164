-- Counts how jobs end: one line for each, added to those of its ability, and folded into numbers once there are some.
-- A number for each thing that is known of a job would cost ten commands where this costs one.

-- Of so many bytes lines are folded by whoever adds one. A gateway folds them once a second in any case.
local TALLY_BYTES = 2048

-- A line: state or 'retried', milliseconds since it was accepted, tenths of milliseconds that its call took ('-': none
-- was made of it), jobs that shared the call, GPU type.
local function fold(service_id)
  local key, same, changes, ended = TALLY .. service_id, {}, {}, 0
  local text = redis.pcall('GET', key)
  -- Nothing is written where nothing ended: a Redis that takes no writes still answers.
  if type(text) ~= 'string' then return end

  local function add(field, count)
    changes[field] = (changes[field] or 0) + count
  end

  -- Buckets by their upper limits, in milliseconds: those of athena/telemetry/metrics.py.
  local BOUNDS = {2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000, 300000}
  local function measure(what, tenths, gpu_type, count)
    local bound = 'inf'
    for _, one in ipairs(BOUNDS) do
      if tenths <= one * 10 then
        bound = one
        break
      end
    end
    add(what .. ' ' .. bound .. ' ' .. gpu_type, count)
    add(what .. '_sum ' .. gpu_type, tenths * count)
  end

  for line in string.gmatch(text, '[^;]+') do
    same[line] = (same[line] or 0) + 1
  end
  for line, count in pairs(same) do
    local state, total_ms, tenths, batch, gpu_type = string.match(line, '^(%S+) (%S+) (%S+) (%S+) (.*)$')
    -- A clock that was set back makes no time negative.
    local total = math.max(0, (tonumber(total_ms) or 0) * 10)
    tenths = tonumber(tenths)
    if tenths then
      measure('run', tenths, gpu_type, count)
      add('batch ' .. batch .. ' ' .. gpu_type, count)
    end
    if state == 'retried' then
      add('try retried ' .. gpu_type, count)
    elseif state then
      add('end ' .. state .. ' ' .. gpu_type, count)
      measure('total', total, gpu_type, count)
      if tenths then
        measure('wait', math.max(0, total - tenths), gpu_type, count)
        ended = ended + count
      end
    end
  end
  -- First: a Redis that takes no writes refuses this one, and nothing is half counted.
  redis.call('UNLINK', key)
  for field, count in pairs(changes) do
    redis.pcall('HINCRBY', COUNTS .. service_id, field, string.format('%d', count))
  end
  if ended > 0 then
    redis.pcall('HINCRBY', LOAD .. service_id, 'ended', ended)
  end
end

-- A key that is not what it should be keeps nobody's job from its end.
local function write_tally(service_id, lines)
  local size = redis.pcall('APPEND', TALLY .. service_id, table.concat(lines))
  if type(size) == 'number' and size > TALLY_BYTES then
    fold(service_id)
  end
end
