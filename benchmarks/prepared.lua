-- Sends requests that were signed before, each of them once: wrk -s prepared.lua URL -- FILE FIRST COUNT
-- The file's first line says how long each request is; they follow without anything between them.
local threads = {}
sent = 0

function setup(thread)
  table.insert(threads, thread)
end

function init(args)
  local file = assert(io.open(args[1], "rb"))
  local first, count = tonumber(args[2]), tonumber(args[3])
  local length = tonumber(file:read("*l"))
  file:seek("cur", first * length)
  -- One text, cut when it is needed: Lua keeps each text once, finds it by a few of its characters, and requests that are
  -- signed alike would all be found in one place, tens of thousands of them.
  requests = assert(file:read(length * count))
  assert(#requests == length * count, "the file holds fewer requests than asked for")
  file:close()
  size, total = length, count
  -- What was sent is let go of at once, for the reason above.
  collectgarbage("setpause", 100)
  collectgarbage("setstepmul", 400)
end

function request()
  sent = sent + 1
  -- From the beginning again: whoever measures sees that from "sent", and whoever remembers nonces refuses.
  local start = (sent - 1) % total * size
  return requests:sub(start + 1, start + size)
end

function done(summary, latency)
  local all, errors = 0, summary.errors
  for _, thread in ipairs(threads) do
    all = all + thread:get("sent")
  end
  io.write(string.format(
    '{"requests": %d, "seconds": %.6f, "sent": %d, "refused": %d, "broken": %d, "p50_us": %d, "p99_us": %d}\n',
    summary.requests, summary.duration / 1e6, all, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout, latency:percentile(50), latency:percentile(99)))
end
