// The coordinator's step (allocator.ts) as one Lua script. Two keys: a hash with everything, and a sorted set of members by when they were
// heard of. In the hash, `#` is what is known of the fleet, `@name` a member, and `b3`, `h3` say how demands end (shares.ts) at the levels
// 48 to 63, for what work needs and for headroom.
//
// Every heartbeat is an answer that others wait for, since a server does one thing at a time. So what is not needed is not read, what has
// not changed is not written, and the script looks less tidy than it could: a closure, a number read from text, a key made from pieces
// each cost a tenth of what the whole may.
//
// IDENTITY is the server's replication id. It is made anew when a server starts and when a replica is promoted, so whoever may lack the
// latest grants has another one. `run_id` would miss a server that is demoted and promoted again, and costs twice as much to ask for.

/** A quiet fleet must find its state again, or it would have to learn; one that is gone leaves nothing behind. */
const KEEP_MS = 86_400_000;

/** What both scripts begin with. `ARGV[1]` and `ARGV[2]`: for tests, the time and the identity. */
const BEGIN = `
local call, pack, parts, floor = redis.call, cmsgpack.pack, cmsgpack.unpack, math.floor
local fleet, heard = KEYS[1], KEYS[2]
local now, identity = ARGV[1], ARGV[2]
if now == '' then
  local t = call('TIME')
  now = t[1] * 1000 + floor(t[2] / 1000)
else
  now = now + 0
end
local mine, terms, L, G, F, N, tail, learning, seen, came, count, reserved, unmet, oldest, kept, bsum, bweight, hsum, hweight
`;

const FIELDS = 'mine, terms, L, G, F, N, tail, learning, seen, came, count, reserved, unmet, oldest, kept, bsum, bweight, hsum, hweight';

/**
 * Of the fleet: forgotten or read, and those out of it who were not heard of. Leaves `known`, what is remembered of the member. `chunks` is
 * how demands end, sixteen levels together. Who was heard of longest ago is looked up when its time may be over; where memory is short the
 * set may have been evicted.
 */
const LOOK = `
if identity == '' then
  local info = call('INFO', 'replication')
  local _, at = string.find(info, 'master_replid:', 1, true)
  if not at then return redis.error_reply('NOIDENTITY INFO replication of this server tells no master_replid') end
  identity = string.sub(info, at + 1, at + 40)
end
local member, asked = ARGV[3], ARGV[6]
local seq, held, has, base, demand, weight = ARGV[7] + 0, ARGV[8] + 0, ARGV[9] + 0, ARGV[10] + 0, ARGV[11] + 0, ARGV[12] + 0
local leaving, lends = ARGV[13] == '1', ARGV[14] + 0

local chunks, changed = {}, {}
local function chunk(field, text)
  local t = text and { parts(text) } or { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }
  chunks[field] = t
  return t
end
local function add(kind, level, change)
  local at = level % 16
  local field = kind .. (level - at) / 16
  local t = chunks[field] or chunk(field, call('HGET', fleet, field))
  t[at + 1] = t[at + 1] + change
  changed[field] = t
end
local function note(kind, amount, weight, sign)
  local r = amount % weight
  local q = (amount - r) / weight
  add(kind, q, sign * (weight - r))
  if r > 0 then add(kind, q + 1, sign * r) end
end
local function tally(base, demand, weight, sign)
  note('b', base, weight, sign)
  note('h', demand - base, weight, sign)
  bsum, bweight, hsum, hweight = bsum + sign * base, bweight + sign * weight, hsum + sign * (demand - base), hweight + sign * weight
end
local function begin()
  call('DEL', fleet, heard)
  mine, terms = identity, asked
  local each = {}
  for number in string.gmatch(asked, '%d+') do each[#each + 1] = number + 0 end
  L, G, F, N, tail = each[1], each[2], each[3], each[4], each[5] + each[6] + each[7]
  learning, seen, came, count, reserved, unmet, oldest, kept = now + tail, now, 0, 0, 0, 0, now, 0
  bsum, bweight, hsum, hweight, chunks, changed = 0, 0, 0, 0, {}, {}
end

local stored = call('HMGET', fleet, '#', '@' .. member, 'b0', 'h0')
local known = stored[2]
if stored[1] then
  ${FIELDS} = parts(stored[1])
  chunk('b0', stored[3])
  chunk('h0', stored[4])
end
if mine ~= identity then
  begin()
  known = false
elseif now < seen then
  now = seen
end
seen = now

if oldest <= now - tail then
  if call('ZCARD', heard) ~= count then
    begin()
    known = false
  end
  local gone = call('ZRANGEBYSCORE', heard, '-inf', now - tail, 'LIMIT', 0, 32)
  if #gone > 0 then
    local fields = {}
    for i, each in ipairs(gone) do
      fields[i] = '@' .. each
      if each == member then known = false end
    end
    for _, text in ipairs(call('HMGET', fleet, unpack(fields))) do
      local _, _, permit, keeps, base, demand, weight = parts(text)
      tally(base, demand, weight, -1)
      reserved, count = reserved - keeps, count - 1
      if base > permit then unmet = unmet - base + permit end
    end
    call('HDEL', fleet, unpack(fields))
    call('ZREM', heard, unpack(gone))
  end
  local first = call('ZRANGE', heard, 0, 0, 'WITHSCORES')
  oldest = first[2] and first[2] + 0 or now
end
if count == 0 and terms ~= asked then begin() end
`;

/** The rest of the step: whoever may not be a member; a member's seat. Headroom has to wait while work does. */
const DECIDE = `
local function save(seat)
  local new = kept < now + ${KEEP_MS / 2}
  if new then kept = now + ${KEEP_MS} end
  local state = pack(${FIELDS})
  if next(changed) then
    local cells = { '#', state }
    for field, t in pairs(changed) do
      cells[#cells + 1] = field
      cells[#cells + 1] = pack(unpack(t))
    end
    call('HSET', fleet, unpack(cells))
    if seat then call('HSET', fleet, '@' .. member, seat) end
  elseif seat then
    call('HSET', fleet, '#', state, '@' .. member, seat)
  else
    call('HSET', fleet, '#', state)
  end
  if seat then call('ZADD', heard, now, member) end
  if new then call('PEXPIRE', fleet, ${KEEP_MS}) end
  if new or count == 1 then call('PEXPIRE', heard, ${KEEP_MS}) end
end

local was, held_was, permit_was, keeps_was, base_was, demand_was, weight_was, ordinal
if known then was, held_was, permit_was, keeps_was, base_was, demand_was, weight_was, ordinal = parts(known) end
local function part()
  reserved = reserved - keeps_was
  if base_was > permit_was then unmet = unmet - base_was + permit_was end
end
local refused = terms ~= asked and 'terms' or not known and count >= N and not (leaving and held == 0) and 'full'
if refused then
  save()
  return { 'refused', refused, now, mine, terms }
end
if known and seq <= was then
  save()
  return { 'overtaken' }
end
if leaving and held == 0 then
  if known then
    tally(base_was, demand_was, weight_was, -1)
    count = count - 1
    part()
    call('HDEL', fleet, '@' .. member)
    call('ZREM', heard, member)
  end
  save()
  return { 'granted', 0, now, mine, now < learning and 1 or 0, reserved + F * (N - count), unmet, count }
end

local usable = L - G
if leaving then base = 0 elseif base > usable then base = usable end
if leaving then demand = 0 elseif demand > usable then demand = usable end
if demand < base then demand = base end
if known then
  part()
else
  came, count = came + 1, count + 1
  ordinal = came
end
if not known or base ~= base_was or demand ~= demand_was or weight ~= weight_was then
  if known then tally(base_was, demand_was, weight_was, -1) end
  tally(base, demand, weight, 1)
end
local others = reserved + F * (N - count)

local function share(kind, total, left, amount, first, more)
  if left <= 0 then return 0 end
  local field, level = kind .. 0, 0
  local t = chunks[field] or chunk(field, call('HGET', fleet, field))
  local taken = total - t[1]
  while left >= taken do
    left = left - taken
    level = level + 1
    local at = level % 16
    if at == 0 then
      field = kind .. level / 16
      t = chunks[field] or chunk(field, call('HGET', fleet, field))
    end
    taken = taken - t[at + 1]
  end
  local full = weight * level
  if full > amount then full = amount end
  local next = amount - full
  if next > weight then next = weight end
  local phase = level == 0 and first or more
  return full + floor((next * left * 65536 + phase * taken) / (taken * 65536))
end

local least, keeps, permit, loan = 0, F, 0, 0
if not leaving then
  if ARGV[5] == mine and ARGV[15] - now >= 2 * tail then loan = lends < F and lends or F end
  least, keeps, permit = F - lends, F - loan, has
  if least < 0 then least = 0 end
  if now >= learning then
    local fast = (ordinal + floor(now / 100)) % 65536 * 40503 % 65536
    local slow = (ordinal + floor(now / 5000)) % 65536 * 40503 % 65536
    local busy = usable - math.ceil(usable / 20)
    local stays = held > has and held or has
    permit = base
    if bsum > usable then permit = share('b', bweight, usable, base, fast, slow) end
    local head, spare = demand - base, usable - others - permit - unmet
    if hsum > busy - bsum then head = share('h', hweight, busy - bsum, head, slow, slow) end
    if head > spare then head = spare end
    if head > 0 then permit = permit + head end
    if permit == 0 and base > 0 and stays == 0 and (keeps_was or 0) == 0 then permit = 1
    elseif others + stays <= busy and stays > permit then permit = stays end
  end
end
if permit > usable - others then permit = usable - others end
if permit < least then permit = least end
if keeps < held then keeps = held end
if keeps < has then keeps = has end
if keeps < permit then keeps = permit end
reserved = reserved + keeps
local unmet_elsewhere = unmet
if base > permit then unmet = unmet + base - permit end
save(pack(seq, held, permit, keeps, base, demand, weight, ordinal, loan, ARGV[13] + 0, ARGV[16] + 0, now, ARGV[4]))
return { 'granted', permit, now, mine, now < learning and 1 or 0, reserved + F * (N - count), unmet_elsewhere, count }
`;

export const HEARTBEAT: string = BEGIN + LOOK + DECIDE;

/** Members from `ARGV[3]` on, `ARGV[4]` of them, and what is known of the fleet. */
export const VIEW: string = `${BEGIN}
local text = call('HGET', fleet, '#')
if not text then return {} end
${FIELDS} = parts(text)
local answer = { mine, math.max(0, learning - now), reserved + F * (N - count), terms }
for _, each in ipairs(call('ZRANGE', heard, ARGV[3], ARGV[3] + ARGV[4] - 1)) do
  local seat = call('HGET', fleet, '@' .. each)
  if seat then
    local seq, held, permit, keeps, base, demand, weight, ordinal, loan, leaving, short, at, name = parts(seat)
    answer[#answer + 1] = { each, name, held, permit, keeps, base, demand, weight, loan, leaving, short, math.max(0, now - at) }
  end
end
return answer
`;
