-- The type record, the object aerospike, and logging.
-- A record's bins are asked from the host when first read, and stay the same objects from then on. What a script
-- assigns waits in `dirty` until aerospike:update or aerospike:create.

local host, shared = ...
local DATA, rawget, setmetatable = shared.DATA, shared.rawget, shared.setmetatable
local error, math, type, getmetatable, next, select, ipairs, rawequal =
    error, math, type, getmetatable, next, select, ipairs, rawequal
local format, tostring, pcall = string.format, tostring, shared.call

-- Stands for a bin without value.
local NIL = shared.NIL

local list, map, bytes, geojson = shared.list, shared.map, shared.bytes, shared.geojson
local record = {}
_G.record = record
local meta = shared.class("Record", record)
shared.record_meta = meta

local function inside(rec, name)
    local data = shared.raw_type(rec) == "table" and getmetatable(rec) == record and rawget(rec, DATA)
    if not data then
        error("bad argument to '" .. name .. "' (record expected, got " .. type(rec) .. ")", 3)
    end
    return data
end

-- A record of the host by its number there.
function shared.wrap_record(id, writable)
    return setmetatable({ [DATA] = { id = id, writable = writable, cache = {}, dirty = {}, names = {} } }, meta)
end

function meta.__index(rec, name)
    local data = rawget(rec, DATA)
    if shared.raw_type(name) ~= "string" then
        return nil
    end
    local value = data.cache[name]
    if value == nil then
        value = host.bin(data.id, name)
        if value == nil then
            value = NIL
        end
        data.cache[name] = value
    end
    if rawequal(value, NIL) then
        return nil
    end
    return value
end

local STORABLE = { ["nil"] = true, boolean = true, number = true, string = true }

function meta.__newindex(rec, name, value)
    local data = rawget(rec, DATA)
    if shared.raw_type(name) ~= "string" then
        error("the name of a bin must be a string", 2)
    end
    local class = shared.raw_type(value) == "table" and getmetatable(value)
    if not (STORABLE[type(value)] or class == list or class == map or class == bytes or class == geojson) then
        error("a " .. type(value) .. " cannot be stored in a bin", 2)
    end
    if value == nil then
        value = NIL
    end
    data.cache[name] = value
    if not data.dirty[name] then
        data.dirty[name] = true
        data.names[#data.names + 1] = name
    end
end

function meta.__tostring(rec)
    return "Record"
end

for name, ask in next, host.record do
    record[name] = function(rec)
        return ask(inside(rec, "record." .. name).id)
    end
end

function record.set_ttl(rec, seconds)
    local data, ttl = inside(rec, "record.set_ttl"), math.tointeger(seconds)
    if not ttl then
        error("bad argument to 'record.set_ttl' (number expected, got " .. type(seconds) .. ")", 2)
    end
    host.set_ttl(data.id, ttl)
end

function record.drop_key(rec)
    host.drop_key(inside(rec, "record.drop_key").id)
end

function record.bin_names(rec)
    local data, names, seen = inside(rec, "record.bin_names"), {}, {}
    for _, name in ipairs(host.bin_names(data.id)) do
        seen[name] = true
        if not (data.dirty[name] and rawequal(data.cache[name], NIL)) then
            names[#names + 1] = name
        end
    end
    for _, name in ipairs(data.names) do
        if not seen[name] and not rawequal(data.cache[name], NIL) then
            names[#names + 1] = name
        end
    end
    return names
end

function record.numbins(rec)
    inside(rec, "record.numbins")
    return #record.bin_names(rec)
end

-- Hands what was assigned to the host; says how that went.
local function save(data, how)
    local changes, names = {}, data.names
    for place = 1, #names do
        local value = data.cache[names[place]]
        if not rawequal(value, NIL) then
            changes[place] = value
        end
    end
    local code = host.save(data.id, how, names, changes)
    if code == 0 then
        data.dirty, data.names = {}, {}
    end
    return code
end

local function writable(rec, name)
    local data = inside(rec, name)
    if not data.writable then
        error("'" .. name .. "' is not allowed in a stream", 3)
    end
    return data
end

aerospike = {}

function aerospike:create(rec)
    return save(writable(rec, "aerospike:create"), "create")
end

function aerospike:update(rec)
    return save(writable(rec, "aerospike:update"), "update")
end

function aerospike:remove(rec)
    local data = writable(rec, "aerospike:remove")
    local code = host.remove(data.id)
    if code == 0 then
        data.cache, data.dirty, data.names = {}, {}, {}
    end
    return code
end

function aerospike:exists(rec)
    return host.exists(inside(rec, "aerospike:exists").id)
end

function aerospike:get_current_time()
    return host.now_ms()
end

function aerospike:get_config()
    return nil
end

function aerospike:set_context()
    return 0
end

function aerospike:log(level, text)
    local names = { "warn", "info", "debug", "trace" }
    host.log(names[math.tointeger(level) or 2] or "trace", tostring(text))
    return 0
end

-- A bad format is the log's problem, not the script's.
local function logger(level)
    return function(text, ...)
        if select("#", ...) > 0 then
            local ok, line = pcall(format, text, ...)
            text = ok and line or text
        end
        host.log(level, tostring(text))
    end
end
trace, debug, info, warn = logger("trace"), logger("debug"), logger("info"), logger("warn")
