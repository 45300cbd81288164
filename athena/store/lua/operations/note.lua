-- Adds an entry to the trail of what operators do. Each is chained to the one before, so that one that was changed or
-- taken out later shows, to whoever kept a copy of a later link.
--
-- ARGV  1 the entry, JSON   2 how many entries are kept, about
-- Returns its link in the chain

-- Who makes room in a full Redis is an operator, too.
admit_writes()
local last = redis.call('XREVRANGE', TRAIL, '+', '-', 'COUNT', 1)[1]
local link = redis.sha1hex((last and last[2][4] or '') .. ARGV[1])
redis.call('XADD', TRAIL, 'MAXLEN', '~', ARGV[2], '*', 'entry', ARGV[1], 'link', link)
return link
