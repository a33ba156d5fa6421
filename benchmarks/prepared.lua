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
  requests = {}
  for number = 1, count do
    requests[number] = assert(file:read(length), "the file holds fewer requests than asked for")
  end
  file:close()
  total = count
end

function request()
  sent = sent + 1
  -- From the beginning again: whoever measures sees that from "sent", and whoever remembers nonces refuses.
  return requests[(sent - 1) % total + 1]
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
