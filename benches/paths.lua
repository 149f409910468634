-- wrk -s paths.lua URL -- FILE TOKEN: asks for the paths of FILE in turn, each thread from another place.
dofile("benches/figures.lua")
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
