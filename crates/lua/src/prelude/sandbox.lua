-- What a script may call of Lua's own library, and the ways in which it could outrun its limits, closed.
-- Every file of the prelude gets the host's functions and a table that the files share.

local host, shared = ...

local type, getmetatable, setmetatable, rawget, error, select =
    type, getmetatable, setmetatable, rawget, error, select
local raw_pcall, tostring = pcall, tostring
local sub, concat = string.sub, table.concat

-- The key under which lists, maps, bytes, GeoJSON values, records and streams keep what they hold.
local DATA = {}
shared.DATA = DATA
shared.rawget, shared.setmetatable, shared.raw_type = rawget, setmetatable, type

-- Our types are tables with a protected metatable; to a script they look like userdata, as on the real server.
local classes = {}

function shared.class(name, members)
    local meta = { __metatable = members, __name = name }
    classes[members] = name
    return meta
end

local function is_object(value)
    return type(value) == "table" and rawget(value, DATA) ~= nil
end
shared.is_object = is_object

_G.type = function(...)
    local kind = type(...)
    if kind == "table" and is_object((...)) then
        return "userdata"
    end
    return kind
end

-- An error that says a limit is passed must reach the caller: nothing may catch it and go on.
local function rethrow(ok, ...)
    if host.is_over() then
        error(host.over_text(), 0)
    end
    if not ok and (...) == "not enough memory" then
        host.out_of_memory()
        error("not enough memory", 0)
    end
    return ok, ...
end

local function pcall(f, ...)
    return rethrow(raw_pcall(f, ...))
end
_G.pcall = pcall

-- The handler runs after the error has unwound: inside Lua's own xpcall it would run where no limit reaches it.
local function handle(handler, ok, ...)
    if ok then
        return true, ...
    end
    return false, select(2, pcall(handler, ...))
end

function _G.xpcall(f, handler, ...)
    return handle(handler, pcall(f, ...))
end

-- Finalizers run where no limit reaches them.
function _G.setmetatable(object, meta)
    if type(meta) == "table" and rawget(meta, "__gc") ~= nil then
        error("a metatable with __gc is not allowed here", 2)
    end
    return setmetatable(object, meta)
end

-- Library functions that loop by themselves see only plain tables, whose size is bounded by memory, and pay for it.
local function plain(f)
    return function(...)
        local object = ...
        if type(object) == "table" then
            if getmetatable(object) ~= nil then
                error("a plain table is expected here", 2)
            end
            local size = #object
            if size > 256 then
                host.charge(size)
            end
        end
        return f(...)
    end
end

shared.sort = table.sort
local move = table.move
table.insert, table.remove = plain(table.insert), plain(table.remove)
table.sort, table.concat, table.unpack = plain(table.sort), plain(table.concat), plain(table.unpack)
table.move = plain(function(from, first, last, to, into)
    if math.type(first) == "integer" and math.type(last) == "integer" and last >= first then
        if last - first > 1000000 or last - first < 0 then
            error("too many elements to move", 2)
        end
        host.charge(last - first)
    end
    if into ~= nil and (type(into) ~= "table" or getmetatable(into) ~= nil) then
        error("a plain table is expected here", 2)
    end
    return move(from, first, last, to, into)
end)

-- String functions pay by the length of their subject.
for name, f in next, string do
    string[name] = function(...)
        local subject = ...
        if type(subject) == "string" and #subject > 1024 then
            host.charge(#subject // 16)
        end
        return f(...)
    end
end

local rep = string.rep
function string.rep(subject, count, separator)
    local size = type(subject) == "string" and #subject or 8
    if math.type(count) == "integer" and count > 0 then
        host.charge(size * (count < 1000000 and count or 1000000) // 16)
        if type(separator) == "string" then
            host.charge(#separator * (count < 1000000 and count or 1000000) // 16)
        end
    end
    return rep(subject, count, separator)
end

string.find, string.match, string.gmatch, string.gsub = host.find, host.match, nil, nil
string.dump = nil

function string.gmatch(subject, pattern)
    subject, pattern = tostring(subject), tostring(pattern)
    local from, last = 1, -1
    local function step(start, finish, ...)
        if not start then
            return nil
        end
        from, last = finish + 1, finish
        if select("#", ...) > 0 then
            return ...
        end
        return sub(subject, start, finish)
    end
    return function()
        if from > #subject + 1 then
            return nil
        end
        return step(host.next_match(subject, pattern, from, last, true))
    end
end

-- What one match is replaced by.
local function replacement(subject, repl, whole, first, ...)
    local kind = type(repl)
    local value
    if kind == "function" then
        if first == nil then
            value = repl(whole)
        else
            value = repl(first, ...)
        end
    elseif kind == "table" then
        value = repl[first == nil and whole or first]
    else
        value = host.expand(repl, whole, first, ...)
    end
    if not value then
        return whole
    end
    if type(value) ~= "string" and type(value) ~= "number" then
        error("invalid replacement value (a " .. type(value) .. ")", 3)
    end
    return value
end

function string.gsub(subject, pattern, repl, most)
    subject, pattern = tostring(subject), tostring(pattern)
    if type(repl) == "number" then
        repl = tostring(repl)
    elseif type(repl) ~= "string" and type(repl) ~= "table" and type(repl) ~= "function" then
        error("bad argument #3 to 'gsub' (string/function/table expected)", 2)
    end
    local parts, count, from, copied, last = {}, 0, 1, 1, -1
    local anchored = sub(pattern, 1, 1) == "^"
    local function step(start, finish, ...)
        if not start then
            return false
        end
        parts[#parts + 1] = sub(subject, copied, start - 1)
        parts[#parts + 1] = replacement(subject, repl, sub(subject, start, finish), ...)
        count, copied, from, last = count + 1, finish + 1, finish + 1, finish
        return not anchored
    end
    while (most == nil or count < most) and from <= #subject + 1 do
        if not step(host.next_match(subject, pattern, from, last)) then
            break
        end
    end
    parts[#parts + 1] = sub(subject, copied)
    return concat(parts), count
end

-- No files, no processes, no other Lua states, no way around the wrappers above.
io, debug, coroutine, package, load, loadfile, loadstring, dofile, collectgarbage, rawlen =
    nil, nil, nil, nil, nil, nil, nil, nil, nil, nil
os = { time = host.time, date = host.date, clock = host.clock }
function os.difftime(a, b)
    return (a - (b or 0)) + 0.0
end

-- Another registered module, run once in the same globals.
local loaded = {}
function require(name)
    if loaded[name] == nil then
        local chunk, problem = host.module(name)
        if not chunk then
            error(problem, 2)
        end
        loaded[name] = true
        local result = chunk(name)
        if result ~= nil then
            loaded[name] = result
        end
    end
    return loaded[name]
end

function print(...)
    local parts = {}
    for place = 1, select("#", ...) do
        parts[place] = tostring((select(place, ...)))
    end
    host.log("info", concat(parts, "\t"))
end

-- Calls a function of the script for the host: no error passes, its text does.
function shared.call(f, ...)
    return raw_pcall(f, ...)
end
