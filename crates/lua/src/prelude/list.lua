-- The type list: a sequence of values, first index 1.
-- Inside: { n = size, flags = order flags, [1..n] = values }; nil is a value like any other.

local host, shared = ...
local DATA, rawget, setmetatable = shared.DATA, shared.rawget, shared.setmetatable
local error, math, type, getmetatable, table = error, math, type, getmetatable, table

local list = {}
_G.list, shared.list = list, list
local meta = shared.class("List", list)
shared.list_meta = meta

local function inside(l, name)
    local data = shared.raw_type(l) == "table" and getmetatable(l) == list and rawget(l, DATA)
    if not data then
        error("bad argument to 'list." .. name .. "' (list expected, got " .. type(l) .. ")", 3)
    end
    return data
end

-- Makes a list of the first n values of a table, which then belongs to the list.
local function wrap(items, n)
    items.n = n
    return setmetatable({ [DATA] = items }, meta)
end
shared.wrap_list = wrap

local is_integer = math.tointeger

function list.new()
    return wrap({}, 0)
end
list.create = list.new

function list.is_list(value)
    return shared.raw_type(value) == "table" and getmetatable(value) == list
end

function list.size(l)
    return inside(l, "size").n
end

function list.append(l, value)
    local data = inside(l, "append")
    data.n = data.n + 1
    data[data.n] = value
end

local function insert(data, index, value)
    if index > data.n + 1 then
        data.n = index - 1
    end
    host.charge(data.n - index + 1)
    for place = data.n, index, -1 do
        data[place + 1] = data[place]
    end
    data[index] = value
    data.n = data.n + 1
end

local MOST = 1 << 24

local function place_of(index)
    local place = is_integer(index)
    return place and place >= 1 and place <= MOST and place
end

function list.prepend(l, value)
    insert(inside(l, "prepend"), 1, value)
end

function list.insert(l, index, value)
    local data, place = inside(l, "insert"), place_of(index)
    if not place then
        error("bad index for 'list.insert'", 2)
    end
    insert(data, place, value)
end

function list.remove(l, index)
    local data, place = inside(l, "remove"), place_of(index)
    if not place or place > data.n then
        return
    end
    for at = place, data.n do
        data[at] = data[at + 1]
    end
    data.n = data.n - 1
end

local function copy(data, first, last, into)
    into = into or {}
    local n = into.n or 0
    for place = first, last do
        n = n + 1
        into[n] = data[place]
    end
    into.n = n
    return into
end

function list.concat(l, other)
    local data, from = inside(l, "concat"), inside(other, "concat")
    copy(from, 1, from.n, data)
end

function list.merge(l, other)
    local data, from = inside(l, "merge"), inside(other, "merge")
    local items = copy(from, 1, from.n, copy(data, 1, data.n))
    return wrap(items, items.n)
end

function list.clone(l)
    local data = inside(l, "clone")
    local items = copy(data, 1, data.n)
    items.flags = data.flags
    return wrap(items, items.n)
end

-- Keeps what comes before the index.
function list.trim(l, index)
    local data, place = inside(l, "trim"), place_of(index)
    if not place then
        return
    end
    for at = place, data.n do
        data[at] = nil
    end
    data.n = math.min(data.n, place - 1)
end

local function count_of(data, count)
    return math.max(0, math.min(data.n, is_integer(count) or 0))
end

function list.take(l, count)
    local data = inside(l, "take")
    local items = copy(data, 1, count_of(data, count))
    return wrap(items, items.n)
end

function list.drop(l, count)
    local data = inside(l, "drop")
    local items = copy(data, count_of(data, count) + 1, data.n)
    return wrap(items, items.n)
end

-- A nil among the values would end a loop over it, so it is passed over.
function list.iterator(l)
    local data, place = inside(l, "iterator"), 0
    return function()
        while place < data.n do
            place = place + 1
            if data[place] ~= nil then
                return data[place]
            end
        end
    end
end

function list.nbytes(l)
    inside(l, "nbytes")
    return host.nbytes(l)
end

function list.tostring(l)
    local data, parts = inside(l, "tostring"), {}
    for place = 1, data.n do
        parts[place] = shared.show(data[place])
    end
    return "List(" .. table.concat(parts, ", ") .. ")"
end

meta.__tostring = list.tostring

function meta.__len(l)
    return rawget(l, DATA).n
end

function meta.__index(l, index)
    local place = is_integer(index)
    if place and place >= 1 then
        return rawget(l, DATA)[place]
    end
    return nil
end

function meta.__newindex(l, index, value)
    local place = place_of(index)
    if not place then
        error("bad index for a list", 2)
    end
    local data = rawget(l, DATA)
    data.n = math.max(data.n, place)
    data[place] = value
end

function meta.__eq(a, b)
    return host.same(a, b)
end

setmetatable(list, {
    __metatable = false,
    __call = function(_, initial)
        local items, n = {}, 0
        if initial ~= nil then
            if shared.raw_type(initial) ~= "table" then
                error("bad argument to 'list' (table expected, got " .. type(initial) .. ")", 2)
            end
            for place = 1, #initial do
                items[place], n = initial[place], place
            end
        end
        return wrap(items, n)
    end,
})
