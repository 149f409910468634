-- wrk -t 1 -s forms.lua URL -- FILE: posts each line of FILE once, as a form, and stops when there are no more.
dofile("benches/figures.lua")
local forms, at = {}, 0

function init(args)
    for line in io.lines(args[1]) do forms[#forms + 1] = line end
end

function request()
    at = at + 1
    if at > #forms then wrk.thread:stop() at = #forms end
    return wrk.format("POST", "/auth/token", { ["Content-Type"] = "application/x-www-form-urlencoded" }, forms[at])
end
