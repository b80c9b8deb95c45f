-- wrk: captures of distinct cards through one endpoint. Takes the secret from CAPTURE_SECRET and the start of
-- the numbers from CAPTURE_START, so that no two runs send the same card.
local prefix, count
local byte, format = string.byte, string.format

function init()
  wrk.method = "POST"
  wrk.headers["Content-Type"] = "application/json"
  wrk.headers["X-Capture-Secret"] = os.getenv("CAPTURE_SECRET") or ""
  prefix = tonumber(os.getenv("CAPTURE_START")) * 10000000
  count = 0
end

-- A Visa-like number of 16 digits: 4, fourteen counted digits, the Luhn digit.
local function number()
  count = count + 1
  local digits = format("4%014.0f", prefix + count)
  local sum = 0
  for i = 1, 15 do
    local digit = byte(digits, i) - 48
    if i % 2 == 1 then
      digit = digit * 2
      if digit > 9 then digit = digit - 9 end
    end
    sum = sum + digit
  end
  return digits .. ((10 - sum % 10) % 10)
end

function request()
  local body = '{"card_number":"' .. number() .. '","card_holder":"Ada King Lovelace","card_expiry":"12-2031","cvv":"123"}'
  return wrk.format(nil, nil, nil, body)
end

function done(summary, latency)
  io.write(format(
    "RESULT requests=%d micros=%d p50=%d p99=%d refused=%d broken=%d\n",
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), summary.errors.status,
    summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout
  ))
end
