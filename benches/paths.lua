-- wrk -s paths.lua URL -- FILE TOKEN: asks for the paths of FILE in turn, each thread from another place.
local paths, at, token = {}, 0, nil
local threads = 0

function setup(thread)
    threads = threads + 1
    thread:set("number", threads)
end

function init(args)
    for line in io.lines(args[1]) do paths[#paths + 1] = line end
    token = args[2]
    at = (number * 7919) % #paths
end

function request()
    at = at % #paths + 1
    return wrk.format("GET", paths[at], { ["Authorization"] = "Bearer " .. token, ["Accept"] = "application/fhir+json" })
end

function done(summary, latency)
    local errors = summary.errors
    io.write(string.format("figures %.1f %.3f %.3f %d %d\n", summary.requests / summary.duration * 1e6,
        latency:percentile(50) / 1000, latency:percentile(99) / 1000, summary.requests,
        errors.status + errors.connect + errors.read + errors.write + errors.timeout))
end
