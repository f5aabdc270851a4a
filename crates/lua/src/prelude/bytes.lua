-- The types bytes and GeoJSON. A buffer belongs to the host; numbers are packed and unpacked here.
-- Reads out of range give 0 or nothing, writes that cannot be done give false.

local host, shared = ...
local DATA, rawget, setmetatable = shared.DATA, shared.rawget, shared.setmetatable
local error, math, type, getmetatable, tostring, next = error, math, type, getmetatable, tostring, next
local pack, unpack, byte, char, sub = string.pack, string.unpack, string.byte, string.char, string.sub

local bytes = {}
_G.bytes, shared.bytes = bytes, bytes
local meta = shared.class("Bytes", bytes)
shared.bytes_meta = meta

local function inside(b, name)
    local buffer = shared.raw_type(b) == "table" and getmetatable(b) == bytes and rawget(b, DATA)
    if not buffer then
        error("bad argument to 'bytes." .. name .. "' (bytes expected, got " .. type(b) .. ")", 3)
    end
    return buffer
end

local function wrap(buffer)
    return setmetatable({ [DATA] = buffer }, meta)
end
shared.wrap_bytes = wrap

local function whole(value)
    return math.tointeger(value) or (math.type(value) == "float" and math.tointeger(math.floor(value))) or nil
end

local function new(capacity)
    if capacity ~= nil and not whole(capacity) then
        error("bad argument to 'bytes' (number expected, got " .. type(capacity) .. ")", 3)
    end
    return wrap(host.buffer_new())
end
bytes.new, bytes.create = new, new

function bytes.is_bytes(value)
    return shared.raw_type(value) == "table" and getmetatable(value) == bytes
end

function bytes.clone(b)
    local buffer = inside(b, "clone")
    local copy = host.buffer_new()
    host.buffer_append(copy, host.buffer_text(buffer))
    host.buffer_set_kind(copy, host.buffer_kind(buffer))
    return wrap(copy)
end

function bytes.size(b)
    return host.buffer_size(inside(b, "size"))
end

function bytes.set_size(b, size)
    return host.buffer_resize(inside(b, "set_size"), whole(size) or -1)
end

function bytes.get_type(b)
    return host.buffer_kind(inside(b, "get_type"))
end

function bytes.set_type(b, kind)
    return host.buffer_set_kind(inside(b, "set_type"), whole(kind) or -1)
end

local function get(buffer, index, size)
    return host.buffer_get(buffer, whole(index) or 0, size)
end

local function set(buffer, index, text)
    return host.buffer_set(buffer, whole(index) or 0, text)
end

-- get_int16, set_int16, append_int16 and so on, with their byte orders; big endian where none is named.
local function integers(bits)
    for suffix, order in next, { [""] = ">", _be = ">", _le = "<" } do
        local read, write = order .. "i" .. bits // 8, order .. "I" .. bits // 8
        local function packed(value)
            local number = whole(value)
            if not number then
                return nil
            end
            if bits < 64 then
                return pack(write, number & (1 << bits) - 1)
            end
            return pack(order .. "i8", number)
        end
        local name = "int" .. bits .. suffix
        bytes["get_" .. name] = function(b, index)
            local text = get(inside(b, "get_" .. name), index, bits // 8)
            return text and (unpack(read, text)) or 0
        end
        bytes["set_" .. name] = function(b, index, value)
            local buffer, text = inside(b, "set_" .. name), packed(value)
            return text ~= nil and set(buffer, index, text)
        end
        bytes["append_" .. name] = function(b, value)
            local buffer, text = inside(b, "append_" .. name), packed(value)
            return text ~= nil and host.buffer_append(buffer, text)
        end
    end
end
integers(16)
integers(32)
integers(64)

function bytes.get_byte(b, index)
    local text = get(inside(b, "get_byte"), index, 1)
    return text and byte(text) or 0
end

function bytes.set_byte(b, index, value)
    local buffer, number = inside(b, "set_byte"), whole(value)
    return number ~= nil and set(buffer, index, char(number & 255))
end

function bytes.append_byte(b, value)
    local buffer, number = inside(b, "append_byte"), whole(value)
    return number ~= nil and host.buffer_append(buffer, char(number & 255))
end

-- The first `size` bytes of a text, or all of it.
local function cut(text, size)
    size = whole(size)
    return size and size >= 0 and sub(text, 1, size) or text
end

function bytes.get_string(b, index, size)
    return host.buffer_some(inside(b, "get_string"), whole(index) or 0, whole(size) or 0)
end

function bytes.set_string(b, index, text, size)
    return set(inside(b, "set_string"), index, cut(tostring(text), size))
end

function bytes.append_string(b, text, size)
    return host.buffer_append(inside(b, "append_string"), cut(tostring(text), size))
end

function bytes.get_bytes(b, index, size)
    local text = bytes.get_string(b, index, size)
    local result = new()
    host.buffer_append(rawget(result, DATA), text or "")
    return result
end

function bytes.set_bytes(b, index, other, size)
    local buffer, from = inside(b, "set_bytes"), inside(other, "set_bytes")
    return set(buffer, index, cut(host.buffer_text(from), size))
end

function bytes.append_bytes(b, other, size)
    local buffer, from = inside(b, "append_bytes"), inside(other, "append_bytes")
    return host.buffer_append(buffer, cut(host.buffer_text(from), size))
end

-- Seven bits a byte, the low ones first; the high bit says that more follow.
local function var_int(value)
    local number, text = whole(value), ""
    if not number then
        return nil
    end
    while number & ~127 ~= 0 do
        text = text .. char(number & 127 | 128)
        number = number >> 7
    end
    return text .. char(number)
end

function bytes.get_var_int(b, index)
    local buffer, at, value = inside(b, "get_var_int"), whole(index) or 0, 0
    for size = 1, 10 do
        local text = host.buffer_get(buffer, at + size - 1, 1)
        if not text then
            return 0, 0
        end
        value = value | (byte(text) & 127) << 7 * (size - 1)
        if byte(text) < 128 then
            return value, size
        end
    end
    return 0, 0
end

function bytes.set_var_int(b, index, value)
    local buffer, text = inside(b, "set_var_int"), var_int(value)
    return text and set(buffer, index, text) and #text or 0
end

function bytes.append_var_int(b, value)
    local buffer, text = inside(b, "append_var_int"), var_int(value)
    return text and host.buffer_append(buffer, text) and #text or 0
end

function bytes.nbytes(b)
    return host.buffer_size(inside(b, "nbytes"))
end

function bytes.tostring(b)
    return host.hex(inside(b, "tostring"))
end

meta.__tostring = bytes.tostring

function meta.__len(b)
    return host.buffer_size(rawget(b, DATA))
end

function meta.__index(b, index)
    local text = get(rawget(b, DATA), index, 1)
    return text and byte(text) or nil
end

function meta.__newindex(b, index, value)
    if not bytes.set_byte(b, index, value) then
        error("bad index or value for bytes", 2)
    end
end

function meta.__eq(a, b)
    return host.same(a, b)
end

setmetatable(bytes, {
    __metatable = false,
    __call = function(_, capacity)
        return new(capacity)
    end,
})

local geojson = {}
_G.geojson, shared.geojson = geojson, geojson
local geo_meta = shared.class("GeoJSON", geojson)
shared.geo_meta = geo_meta

shared.wrap_geo = function(text)
    return setmetatable({ [DATA] = text }, geo_meta)
end

function geojson.tostring(value)
    local text = shared.raw_type(value) == "table" and getmetatable(value) == geojson and rawget(value, DATA)
    if not text then
        error("bad argument to 'geojson.tostring' (GeoJSON expected, got " .. type(value) .. ")", 2)
    end
    return text
end

geo_meta.__tostring = geojson.tostring

function geo_meta.__eq(a, b)
    return rawget(a, DATA) == rawget(b, DATA)
end

setmetatable(geojson, {
    __metatable = false,
    __call = function(_, text)
        if type(text) ~= "string" then
            error("bad argument to 'geojson' (string expected, got " .. type(text) .. ")", 2)
        end
        return shared.wrap_geo(text)
    end,
})

-- How a value looks inside a printed list or map.
function shared.show(value)
    if shared.raw_type(value) == "string" then
        return '"' .. value .. '"'
    end
    return tostring(value)
end
