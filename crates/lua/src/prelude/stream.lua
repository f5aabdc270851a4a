-- The type stream: a description of what happens to values on their way from the records to the client.
-- A node does everything up to the first reduce, that one included; the client does the rest with the values
-- of all nodes.

local host, shared = ...
local DATA, rawget, setmetatable = shared.DATA, shared.rawget, shared.setmetatable
local error, type, getmetatable, next = error, type, getmetatable, next

local list, map = shared.list, shared.map
local stream = {}
_G.stream = stream
local meta = shared.class("Stream", stream)
shared.stream_meta = meta

local function inside(s, name)
    local data = shared.raw_type(s) == "table" and getmetatable(s) == stream and rawget(s, DATA)
    if not data then
        error("bad argument to '" .. name .. "' (stream expected, got " .. type(s) .. ")", 3)
    end
    return data
end

local function wrap(steps)
    return setmetatable({ [DATA] = steps }, meta)
end

function shared.new_stream()
    return wrap({})
end

-- A stream with one more step.
local function with(steps, step)
    local longer = {}
    for place = 1, #steps do
        longer[place] = steps[place]
    end
    longer[#longer + 1] = step
    return wrap(longer)
end

local function callable(f, name)
    if type(f) ~= "function" then
        error("bad argument to '" .. name .. "' (function expected, got " .. type(f) .. ")", 3)
    end
    return f
end

local methods = {}
meta.__index = methods

function meta.__tostring()
    return "Stream"
end

function methods.filter(s, f)
    return with(inside(s, "filter"), { kind = "filter", f = callable(f, "filter") })
end

function methods.map(s, f)
    return with(inside(s, "map"), { kind = "map", f = callable(f, "map") })
end

function methods.aggregate(s, initial, f)
    return with(inside(s, "aggregate"), { kind = "aggregate", f = callable(f, "aggregate"), initial = initial })
end

function methods.reduce(s, f)
    return with(inside(s, "reduce"), { kind = "reduce", f = callable(f, "reduce") })
end

-- Values in lists by what the function says of them.
function methods.groupby(s, f)
    callable(f, "groupby")
    local function group(groups, value)
        local key = f(value)
        local members = groups[key]
        if members == nil then
            members = list()
            groups[key] = members
        end
        list.append(members, value)
        return groups
    end
    local function merge(a, b)
        return map.merge(a, b, list.merge)
    end
    return methods.reduce(methods.aggregate(s, map(), group), merge)
end

for name, method in next, methods do
    stream[name] = method
end

-- One step as two functions: what it does with a value, and what when there are no more.
local makers = {}

function makers.filter(step, push, finish)
    return function(value)
        if step.f(value) then
            push(value)
        end
    end, finish
end

function makers.map(step, push, finish)
    return function(value)
        local result = step.f(value)
        if result ~= nil then
            push(result)
        end
    end, finish
end

function makers.aggregate(step, push, finish)
    local sum = step.initial
    return function(value)
        sum = step.f(sum, value)
    end, function()
        if sum ~= nil then
            push(sum)
        end
        finish()
    end
end

function makers.reduce(step, push, finish)
    local sum
    return function(value)
        if sum == nil then
            sum = value
        else
            sum = step.f(sum, value)
        end
    end, function()
        if sum ~= nil then
            push(sum)
        end
        finish()
    end
end

-- Where the first reduce stands; none: behind the last step.
local function first_reduce(steps)
    for place = 1, #steps do
        if steps[place].kind == "reduce" then
            return place
        end
    end
    return #steps + 1
end

-- One side's part of a stream: a function that takes one value, and one that ends it. Results go to `emit`. A node does
-- all up to the first reduce, that one included; the client begins with it, over what the nodes gave.
function shared.pipeline(s, emit, at_client)
    if shared.raw_type(s) ~= "table" or getmetatable(s) ~= stream then
        error("the function did not return a stream", 0)
    end
    local steps = rawget(s, DATA)
    local reduce = first_reduce(steps)
    local first, last = 1, reduce < #steps and reduce or #steps
    if at_client then
        first, last = reduce, #steps
    end
    local push, finish = emit, function() end
    for place = last, first, -1 do
        push, finish = makers[steps[place].kind](steps[place], push, finish)
    end
    return push, finish
end
