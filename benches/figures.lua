-- What wrk measured, in one line that load.sh reads: rate, p50 and p99 in ms, requests, those that went wrong.
function done(summary, latency)
    local errors = summary.errors
    io.write(string.format("figures %.1f %.3f %.3f %d %d\n", summary.requests / summary.duration * 1e6,
        latency:percentile(50) / 1000, latency:percentile(99) / 1000, summary.requests,
        errors.status + errors.connect + errors.read + errors.write + errors.timeout))
end
