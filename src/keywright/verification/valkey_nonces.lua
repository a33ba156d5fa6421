#!lua
-- Has this signature been used before? Asked and answered in one step, on the server that has the bucket.
--
-- KEYS[1]  the bucket's marker: what is known of its memory
-- KEYS[2]  the nonce; without it the marker alone is looked after
-- ARGV     1 the verifier's clock; what it accepts: 2 max_age, 3 max_ahead; 4 slack; and with a nonce:
--          5 the signature's created, 6 when its key was made, 7 a name of this very attempt, 8 whether created was
--          reckoned from an end, as max_age before it: then whoever accepts older ones reckons an earlier created
-- Every time is in milliseconds, points in time since 1970 by this server's clock, unless said otherwise.
--
-- Answers 1 fresh (and remembered), 2 replayed, 3 unprovable; -now if the verifier's clock is apart; without a nonce
-- {now, since, lost, forgot, maxmemory_policy, server_mode}.
-- Why it is sound: docs/decisions/0010-replay-on-valkey.md.
local SKEW = 1000 -- how far clocks may be apart
local KEY_SKEW = 2000 -- and that of whoever dates keys
local MARGIN = 2000 -- a nonce is kept for longer than its signature lives: SKEW, and a clock set back by as much
local NOTE_EVERY = 1000
local WIDE_EVERY, WIDE_ENDS = 10000, 60000
local MARKER_LIVES = 604800000

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local said, max_age, max_ahead, slack = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local nonce = KEYS[2]

-- run_id: another after every start of the server. master_replid: another after every promotion, also of a server that
-- was primary before. With both the same, this process has had every write to this bucket since it was written.
local info
if nonce then
  info = redis.call('INFO', 'server', 'replication')
else
  info = redis.call('INFO', 'server', 'replication', 'memory', 'stats')
end
local run, replication = string.match(info, 'run_id:(%x+)'), string.match(info, 'master_replid:(%x+)')
if not run or not replication then
  return redis.error_reply('INFO tells no run_id or no master_replid, so nobody could tell a loss of memory')
end
local id = run .. replication

local stored = redis.call('HMGET', KEYS[1], 'id', 'since', 'lost', 'forgot', 'age', 'ahead', 'wide_at', 'short',
  'short_through', 'newest', 'latest', 'evicted')
local known = stored[1] == id
local function number(at) return tonumber(stored[at] or 0) end
local since, lost, forgot = number(2), number(3), number(4) -- lost, forgot: created up to then is unprovable
local age, ahead, wide_at = number(5), number(6), number(7) -- the widest that anyone accepts, and when he last asked
local short, short_through = number(8), number(9) -- created up to short_through is kept as if max_age were short
local newest, latest = number(10), number(11) -- the latest created that is remembered; the latest time seen
local evicted, evicted_now = number(12), nil
if not nonce then evicted_now = tonumber(string.match(info, 'evicted_keys:(%d+)')) end

if said - now > SKEW or now - said > SKEW then
  -- If it is this clock that is ahead, nonces are ending too early: noted for when it is put right.
  if known and now > latest then redis.call('HSET', KEYS[1], 'latest', now) end
  return -now
end

local changed = false
if not known or (evicted_now and evicted_now ~= evicted) then
  -- Nothing that came before is vouched for: flushed, restarted with data or without, promoted, moved here, evicted.
  age, ahead = math.max(age, max_age), math.max(ahead, max_ahead)
  since, latest, wide_at = now, now, now
  lost = math.max(now + ahead + slack, lost, forgot, newest)
  forgot, short, short_through = 0, 0, 0
  evicted = evicted_now or tonumber(string.match(redis.call('INFO', 'stats'), 'evicted_keys:(%d+)'))
  changed = true
else
  if now < latest - SKEW then
    -- The clock was set back: what had ended by then is forgotten, and would be accepted again.
    local kept = age
    if short_through > 0 then kept = math.min(short, age) end
    forgot = math.max(forgot, math.min(newest, latest - kept - MARGIN))
    latest, changed = now, true
  elseif now - latest >= NOTE_EVERY then
    latest, changed = now, true
  end
  if max_ahead > ahead then
    -- Before the loss this verifier, or one like it, may have accepted what is created later than was reckoned.
    ahead, changed = max_ahead, true
    lost = math.max(lost, since + ahead + slack)
  end
  if max_age > age then
    -- What is remembered so far ends before this verifier ceases to accept it.
    local matters = short_through > 0 and now <= short_through + max_age + MARGIN
    short = matters and math.min(short, age) or age
    short_through, age, changed = newest, max_age, true
  end
  if max_age >= age or max_ahead >= ahead then
    if now - wide_at > WIDE_EVERY then wide_at, changed = now, true end
  elseif now - wide_at > WIDE_ENDS then
    -- Nobody accepts that much any more; whoever comes back with it widens it again.
    age, ahead, wide_at, changed = max_age, max_ahead, now, true
  end
end

local verdict
if nonce then
  local created, made, attempt = tonumber(ARGV[5]), tonumber(ARGV[6]), ARGV[7]
  local ends = created + age + MARGIN
  -- When it could have been used first, by anyone.
  local since_when = ARGV[8] == '1' and created - (age - max_age) or created
  local before
  local is_new_key = made > since + KEY_SKEW and made <= now + KEY_SKEW -- no use of it precedes this memory
  if since_when <= forgot or (since_when <= lost and not is_new_key) or ends <= now
    or (created <= short_through and created + short + MARGIN <= now) then
    before, verdict = redis.call('GET', nonce), 3
  else
    before, verdict = redis.call('SET', nonce, attempt, 'NX', 'GET', 'PXAT', ends), 1
    if created > newest then newest, changed = created, true end
  end
  -- Our own attempt, whose answer was lost on the way: nobody else was told that it is fresh.
  if before then verdict = before == attempt and 1 or 2 end
end

if changed then
  redis.call('HSET', KEYS[1], 'id', id, 'since', since, 'lost', lost, 'forgot', forgot, 'age', age, 'ahead', ahead,
    'wide_at', wide_at, 'short', short, 'short_through', short_through, 'newest', newest, 'latest', latest,
    'evicted', evicted)
  redis.call('PEXPIREAT', KEYS[1], math.max(now, newest) + MARKER_LIVES)
end
if nonce then return verdict end
return { now, since, lost, forgot, string.match(info, 'maxmemory_policy:([^\r\n]+)') or '',
  string.match(info, 'server_mode:(%a+)') or string.match(info, 'redis_mode:(%a+)') or '' }
