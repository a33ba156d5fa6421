-- An HMAC-SHA256 check of RFC 9421 signatures within nginx: what is left when nothing but the check is done.
-- It knows one key (given by nginx.conf), requires what the other contestants require, and remembers no nonce.
local ffi = require "ffi"
ffi.cdef [[
const void *EVP_sha256(void);
unsigned char *HMAC(const void *md, const void *key, int key_length, const char *data, size_t length,
                    unsigned char *out, unsigned int *out_length);
int CRYPTO_memcmp(const void *a, const void *b, size_t length);
]]
local crypto = ffi.load("libcrypto.so.3")
local sha256 = crypto.EVP_sha256()
local out, out_length = ffi.new("unsigned char[32]"), ffi.new("unsigned int[1]")
local REQUIRED = { "@method", "@target-uri", "content-digest" }

local function is_genuine(headers, client_id, secret)
  local input, signature = headers["signature-input"], headers["signature"]
  if type(input) ~= "string" or type(signature) ~= "string" then
    return false
  end
  local label, parameters, components = input:match('^([%l%d_%-%.%*]+)=((%([^)]*%)).+)$')
  if not label then
    return false
  end
  local created = tonumber(parameters:match(';created=(%d+)'))
  local now = ngx.time()
  if parameters:match(';keyid="([^"]+)"') ~= client_id or not parameters:find(';nonce="', 1, true) then
    return false
  end
  if not created or now - created > 300 or created - now > 30 then
    return false
  end
  local lines, covered = {}, {}
  for name in components:gmatch('"([^"]+)"') do
    local value
    if name == "@method" then
      value = headers["x-original-method"]
    elseif name == "@target-uri" then
      value = headers["x-original-url"]
    else
      value = headers[name]
    end
    if type(value) ~= "string" then
      return false
    end
    covered[name] = true
    lines[#lines + 1] = '"' .. name .. '": ' .. value
  end
  for _, name in ipairs(REQUIRED) do
    if not covered[name] then
      return false
    end
  end
  lines[#lines + 1] = '"@signature-params": ' .. parameters
  local base = table.concat(lines, "\n")
  local sent = ngx.decode_base64(signature:match("^" .. label:gsub("%p", "%%%0") .. "=:([^:]+):$") or "")
  if not sent or #sent ~= 32 then
    return false
  end
  crypto.HMAC(sha256, secret, #secret, base, #base, out, out_length)
  return crypto.CRYPTO_memcmp(out, sent, 32) == 0
end

return function(client_id, secret)
  local headers = ngx.req.get_headers()
  if is_genuine(headers, client_id, secret) then
    ngx.header["Client-Id"] = client_id
    ngx.status = 200
  else
    ngx.status = 401
  end
  ngx.header["Content-Length"] = 0
  ngx.send_headers()
end
