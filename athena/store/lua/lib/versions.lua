-- The main version of an ability, and those that are served beside it.
local function versions_of(main_id)
  local versions = {main_id}
  for _, other in ipairs(redis.call('HKEYS', 'athena:abilities')) do
    if other ~= main_id and main_of(other) == main_id then
      versions[#versions + 1] = other
    end
  end
  return versions
end

-- How many jobs are open in them together.
local function count_open(versions)
  local open = 0
  for _, version in ipairs(versions) do
    open = open + redis.call('ZCARD', OPEN .. version)
  end
  return open
end
