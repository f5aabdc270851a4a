-- The type map: values by key. Pairs come in the order of their keys: integers, then strings, then bytes.
-- Inside: { v = values by key, n = size, flags = order flags, order = sorted keys or nil, b = bytes keys by content }.

local host, shared = ...
local DATA, rawget, setmetatable = shared.DATA, shared.rawget, shared.setmetatable
local error, math, type, getmetatable, table, next, ipairs, rawequal =
    error, math, type, getmetatable, table, next, ipairs, rawequal
local sort = shared.sort

-- Stands for nil among the values: a key may have no value and still be there.
local NIL = {}
shared.NIL = NIL

local map, bytes = {}, shared.bytes
_G.map, shared.map = map, map
local meta = shared.class("Map", map)
shared.map_meta = meta

local function inside(m, name)
    local data = shared.raw_type(m) == "table" and getmetatable(m) == map and rawget(m, DATA)
    if not data then
        error("bad argument to 'map." .. name .. "' (map expected, got " .. type(m) .. ")", 3)
    end
    return data
end

-- The key under which a key's value is kept: bytes count by their content. None for what can be no key.
local function key_of(data, key, adds)
    local kind = shared.raw_type(key)
    if kind == "string" then
        return key
    elseif kind == "number" then
        return math.tointeger(key) or key == key and key or nil
    elseif kind == "boolean" then
        return key
    elseif bytes.is_bytes(key) then
        local content = host.buffer_text(rawget(key, DATA))
        local known = data.b and data.b[content]
        if not known and adds then
            data.b = data.b or {}
            known = bytes.clone(key)
            data.b[content] = known
        end
        return known
    end
end

local function get(data, key)
    local at = key_of(data, key)
    if at == nil then
        return nil
    end
    local value = data.v[at]
    if rawequal(value, NIL) then
        return nil
    end
    return value
end

local function set(data, key, value)
    local at = key_of(data, key, true)
    if at == nil then
        error("a " .. type(key) .. " cannot be a key of a map", 3)
    end
    if data.v[at] == nil then
        data.n = data.n + 1
        data.order = nil
    end
    if value == nil then
        value = NIL
    end
    data.v[at] = value
end

local function wrap(data)
    return setmetatable({ [DATA] = data }, meta)
end

local function new()
    return wrap({ v = {}, n = 0 })
end
map.new, map.create = new, new

-- For the host, which fills a map with pairs that it knows to be fine.
shared.new_map = new
shared.map_set = function(m, key, value)
    set(rawget(m, DATA), key, value)
end

function map.is_map(value)
    return shared.raw_type(value) == "table" and getmetatable(value) == map
end

local function rank(key)
    local kind = shared.raw_type(key)
    if kind == "boolean" then
        return 0, key and 1 or 0
    elseif kind == "number" then
        return math.type(key) == "integer" and 1 or 4, key
    elseif kind == "string" then
        return 2, key
    end
    return 3, host.buffer_text(rawget(key, DATA))
end

local function before(a, b)
    local rank_a, value_a = rank(a)
    local rank_b, value_b = rank(b)
    if rank_a ~= rank_b then
        return rank_a < rank_b
    end
    return value_a < value_b
end

local function ordered(data)
    if not data.order then
        local keys = {}
        for key in next, data.v do
            keys[#keys + 1] = key
        end
        sort(keys, before)
        data.order = keys
    end
    return data.order
end

shared.map_order = function(m)
    return ordered(rawget(m, DATA))
end

function map.size(m)
    return inside(m, "size").n
end

function map.remove(m, key)
    local data = inside(m, "remove")
    local at = key_of(data, key)
    if at ~= nil and data.v[at] ~= nil then
        data.v[at] = nil
        data.n = data.n - 1
        data.order = nil
        if shared.raw_type(at) == "table" then
            data.b[host.buffer_text(rawget(at, DATA))] = nil
        end
    end
end

-- Loops over pairs; each step returns what `pick` makes of the pair.
local function walk(data, pick)
    local keys, place = ordered(data), 0
    return function()
        while place < #keys do
            place = place + 1
            local key = keys[place]
            local value = data.v[key]
            if value ~= nil then
                if rawequal(value, NIL) then
                    value = nil
                end
                return pick(key, value)
            end
        end
    end
end

local function pair(key, value)
    return key, value
end

function map.iterator(m)
    return walk(inside(m, "iterator"), pair)
end

function map.pairs(m)
    return walk(inside(m, "pairs"), pair)
end

function map.keys(m)
    return walk(inside(m, "keys"), function(key)
        return key
    end)
end

-- A pair without value would end a loop over the values, so it is passed over.
function map.values(m)
    local step = walk(inside(m, "values"), pair)
    return function()
        local key, value = step()
        while key ~= nil and value == nil do
            key, value = step()
        end
        return value
    end
end

local function copy(data)
    local result = new()
    local into = rawget(result, DATA)
    for _, key in ipairs(ordered(data)) do
        local value = data.v[key]
        if rawequal(value, NIL) then
            value = nil
        end
        set(into, key, value)
    end
    return result, into
end

function map.clone(m)
    local data = inside(m, "clone")
    local result, into = copy(data)
    into.flags = data.flags
    return result
end

-- Both maps in a new one; where both have a key, the function decides, or the second map.
function map.merge(m, other, choose)
    local data, from = inside(m, "merge"), inside(other, "merge")
    local result, into = copy(data)
    for _, key in ipairs(ordered(from)) do
        local mine, theirs = get(into, key), get(from, key)
        if choose and mine ~= nil then
            theirs = choose(mine, theirs)
        end
        set(into, key, theirs)
    end
    return result
end

-- The pairs whose key only one of the maps has.
function map.diff(m, other)
    local data, from = inside(m, "diff"), inside(other, "diff")
    local result = new()
    local into = rawget(result, DATA)
    local function add(one, another)
        for _, key in ipairs(ordered(one)) do
            local at = key_of(another, key)
            if at == nil or another.v[at] == nil then
                set(into, key, get(one, key))
            end
        end
    end
    add(data, from)
    add(from, data)
    return result
end

function map.nbytes(m)
    inside(m, "nbytes")
    return host.nbytes(m)
end

function map.tostring(m)
    local parts = {}
    for key, value in map.pairs(m) do
        parts[#parts + 1] = shared.show(key) .. "->" .. shared.show(value)
    end
    return "Map(" .. table.concat(parts, ", ") .. ")"
end

meta.__tostring = map.tostring

function meta.__len(m)
    return rawget(m, DATA).n
end

function meta.__index(m, key)
    return get(rawget(m, DATA), key)
end

function meta.__newindex(m, key, value)
    set(rawget(m, DATA), key, value)
end

function meta.__pairs(m)
    return map.pairs(m)
end

function meta.__eq(a, b)
    return host.same(a, b)
end

setmetatable(map, {
    __metatable = false,
    __call = function(_, initial)
        local m = new()
        if initial ~= nil then
            if shared.raw_type(initial) ~= "table" then
                error("bad argument to 'map' (table expected, got " .. type(initial) .. ")", 2)
            end
            local data = rawget(m, DATA)
            for key, value in next, initial do
                set(data, key, value)
            end
        end
        return m
    end,
})
