-- SPDX-License-Identifier: BSD-3-Clause
-- Wireshark and tshark, with Lua 5.2 or later: what Baton's packets are.
--
--   tshark -X lua_script:baton.lua -r forwarder.cluster.pcapng -Y baton.flow
--
-- Courier frames (UDP port 7433; lb/frame.h has the format): the header that is in the clear, and the sealed content as
-- such. Encapsulated packets: TCP whose source is a tunnel address, or, when it is bounced, whose destination is one;
-- the two port fields together are the flow identifier. Which the tunnel addresses are stands in the descriptions of a
-- capture's interfaces; a connection's original addresses stand in comments, and are remembered by flow from the first
-- packet that has them. Comments also become expert notes: what was dropped, corrupted, retransmitted, rejected. With
-- `baton run --save-plain` comments hold what was sealed: messages, and the bytes of blobs, whose sections (lb/blob.h) are
-- a tree as soon as their pieces were seen.

local COURIER_PORT = 7433
local HEADER_LEN, TAG_LEN = 24, 16

-- ---- courier frames ----

local frame = Proto("baton.frame", "Baton courier frame")

local kinds = { [1] = "HELLO", [2] = "DATA" }
local ff = {
	magic = ProtoField.uint8("baton.frame.magic", "Magic", base.HEX),
	version = ProtoField.uint8("baton.frame.version", "Version"),
	kind = ProtoField.uint8("baton.frame.kind", "Kind", base.DEC, kinds),
	epoch = ProtoField.uint8("baton.frame.epoch", "Epoch of the cluster key"),
	from = ProtoField.uint16("baton.frame.from", "Sender, device"),
	to = ProtoField.uint16("baton.frame.to", "Receiver, device"),
	boot = ProtoField.uint64("baton.frame.boot", "Boot of the sender", base.HEX),
	number = ProtoField.uint64("baton.frame.number", "Packet number"),
	sealed = ProtoField.bytes("baton.frame.sealed", "Sealed content"),
	tag = ProtoField.bytes("baton.frame.tag", "Authentication tag"),
}
frame.fields = ff

function frame.dissector(tvb, pinfo, tree)
	local len = tvb:reported_length_remaining()
	if len < HEADER_LEN + TAG_LEN or tvb:len() < HEADER_LEN or tvb(0, 1):uint() ~= 0xb7 or tvb(1, 1):uint() ~= 1 or
		not kinds[tvb(2, 1):uint()] then
		return 0
	end
	local kind = kinds[tvb(2, 1):uint()]
	local from, to, number = tvb(4, 2):uint(), tvb(6, 2):uint(), tvb(16, 8):uint64()
	local sealed = len - HEADER_LEN - TAG_LEN

	pinfo.cols.protocol = "Baton"
	pinfo.cols.info = string.format("%s %s, device %d > %d, %d bytes sealed", kind, tostring(number), from, to, sealed)
	local t = tree:add(frame, tvb(), string.format("Baton courier frame, %s %s, device %d > %d", kind, tostring(number),
		from, to))
	t:add(ff.magic, tvb(0, 1))
	t:add(ff.version, tvb(1, 1))
	t:add(ff.kind, tvb(2, 1))
	t:add(ff.epoch, tvb(3, 1))
	t:add(ff.from, tvb(4, 2))
	t:add(ff.to, tvb(6, 2))
	t:add(ff.boot, tvb(8, 8))
	t:add(ff.number, tvb(16, 8))
	-- a snap length may have cut it
	if sealed > 0 and tvb:len() > HEADER_LEN then
		t:add(ff.sealed, tvb(HEADER_LEN, math.min(sealed, tvb:len() - HEADER_LEN)))
	end
	if tvb:len() >= len then
		t:add(ff.tag, tvb(len - TAG_LEN, TAG_LEN))
	end
	return len
end

DissectorTable.get("udp.port"):add(COURIER_PORT, frame)

-- ---- encapsulated packets and comments ----

local baton = Proto("baton", "Baton")

local bf = {
	flow = ProtoField.uint32("baton.flow", "Flow identifier"),
	bounced = ProtoField.bool("baton.bounced", "Bounced to the forwarder"),
	node = ProtoField.string("baton.node", "Sent to, or bounced by"),
	original = ProtoField.string("baton.original", "Original addresses"),
	src = ProtoField.string("baton.original.src", "Original source"),
	srcport = ProtoField.uint16("baton.original.srcport", "Original source port"),
	dst = ProtoField.string("baton.original.dst", "Original destination"),
	dstport = ProtoField.uint16("baton.original.dstport", "Original destination port"),
	dropped = ProtoField.string("baton.dropped", "Dropped"),
	corrupted = ProtoField.uint32("baton.corrupted", "Corrupted by link, bit of the IP packet"),
	duplicated = ProtoField.bool("baton.duplicated", "Duplicated by link"),
	buffered = ProtoField.bool("baton.buffered", "Buffered before infusion"),
	retransmission = ProtoField.string("baton.retransmission", "Courier retransmission"),
	rejected = ProtoField.string("baton.rejected", "Courier rejected it"),
	plain = ProtoField.string("baton.plain", "Carries"),
	message = ProtoField.string("baton.message", "Message"),
	message_flow = ProtoField.uint32("baton.message.flow", "Flow identifier in the message"),
	blob = ProtoField.string("baton.blob", "Of a blob"),
}

-- ---- blobs: lb/blob.h ----

-- Section by type: its name and fields, as "type name" in their order.
local blob_sections = {
	[1] = { "handoff", "u32 flow", "u32 generation", "u64 handoff", "u16 first", "u16 second", "u64 first_boot", "u16 origin",
		"u64 origin_boot", "u16 service", "u16 rule" },
	[2] = { "socket", "u8 flags", "u32 unread" },
	[3] = { "tcp", "u16 local_port", "u16 remote_port", "u8 state", "u16 flags", "u32 rcv_nxt", "u32 rcv_wnd", "u32 rcv_ann_wnd",
		"u32 rcv_ann_right_edge", "u8 rcv_scale", "u8 snd_scale", "u16 mss", "u32 snd_una", "u32 snd_nxt", "u32 snd_lbb",
		"u32 snd_wl1", "u32 snd_wl2", "u32 snd_wnd", "u32 snd_wnd_max", "u32 cwnd", "u32 ssthresh", "u32 bytes_acked",
		"u8 dupacks", "u32 rto_end", "u16 unsent_spare", "i32 srtt_us", "i32 rttvar_us", "u32 rto_us", "i64 rtx_age_us",
		"u32 rtt_age_us", "u32 rtt_seq", "u8 rtx_count", "u64 idle_us", "u8 persist_backoff", "u32 persist_age_us",
		"u8 persist_probes", "u32 keep_idle_ms", "u32 keep_interval_ms", "u32 keep_count", "u8 keep_probes" },
	[4] = { "ip", "addr local", "addr remote", "u8 ttl", "u8 tos" },
	[5] = { "segments", "u16 unacked_count", "u16 unsent_count", "u16 ooseq_count" },
	[6] = { "data" },
	[0x8001] = { "app" },
}
local segment_fields = { "u32 seq", "u16 len", "u8 flags" } -- for each, behind the counts
local widths = { u8 = 1, u16 = 2, u32 = 4, u64 = 8, i32 = 4, i64 = 8, addr = 17 }
local field_makers = { u8 = ProtoField.uint8, u16 = ProtoField.uint16, u32 = ProtoField.uint32, u64 = ProtoField.uint64,
	i32 = ProtoField.int32, i64 = ProtoField.int64, addr = ProtoField.string }
local BLOB_HEADER_LEN, BLOB_SECTION_LEN = 12, 6
local BLOB_KEPT_MAX = 65536 -- bytes of a blob that are kept: what is behind is data

local function blob_field_add(section, spec)
	local kind, name = spec:match("^(%S+) (%S+)$")
	bf["blob_" .. section .. "_" .. name] = field_makers[kind]("baton.blob." .. section .. "." .. name, name)
end

for _, fields in pairs(blob_sections) do
	for i = 2, #fields do
		blob_field_add(fields[1], fields[i])
	end
end
for _, spec in ipairs(segment_fields) do
	blob_field_add("segment", spec)
end
bf.blob_version = ProtoField.uint16("baton.blob.version", "Version")
bf.blob_length = ProtoField.uint32("baton.blob.length", "Length")
bf.blob_section = ProtoField.string("baton.blob.section", "Section")
bf.blob_bytes = ProtoField.bytes("baton.blob.bytes", "Bytes")
baton.fields = bf

local ef = {
	dropped = ProtoExpert.new("baton.dropped.expert", "Dropped", expert.group.SEQUENCE, expert.severity.WARN),
	corrupted = ProtoExpert.new("baton.corrupted.expert", "Corrupted by link", expert.group.CHECKSUM, expert.severity.WARN),
	duplicated = ProtoExpert.new("baton.duplicated.expert", "Duplicated by link", expert.group.SEQUENCE,
		expert.severity.NOTE),
	buffered = ProtoExpert.new("baton.buffered.expert", "Buffered before infusion", expert.group.SEQUENCE,
		expert.severity.CHAT),
	retransmission = ProtoExpert.new("baton.retransmission.expert", "Courier retransmission", expert.group.SEQUENCE,
		expert.severity.NOTE),
	rejected = ProtoExpert.new("baton.rejected.expert", "Rejected by the courier", expert.group.SECURITY,
		expert.severity.WARN),
	refused = ProtoExpert.new("baton.refused.expert", "Blob rejected by the second device", expert.group.RESPONSE_CODE,
		expert.severity.WARN),
}
baton.experts = ef

local get = {
	comment = Field.new("frame.comment"),
	description = Field.new("frame.interface_description"),
	ip_src = Field.new("ip.src"),
	ip_dst = Field.new("ip.dst"),
	ipv6_src = Field.new("ipv6.src"),
	ipv6_dst = Field.new("ipv6.dst"),
	srcport = Field.new("tcp.srcport"),
	dstport = Field.new("tcp.dstport"),
	frame_from = Field.new("baton.frame.from"),
	frame_to = Field.new("baton.frame.to"),
	frame_boot = Field.new("baton.frame.boot"),
}

local tunnels = {}   -- by an interface's description: a set of addresses
local originals = {} -- by flow: the original addresses, as a comment has them
local blobs = {}     -- by devices and message: what is known of its bytes

function baton.init()
	tunnels, originals, blobs = {}, {}, {}
end

local function tunnels_of(description)
	if not tunnels[description] then
		local set = {}
		for address in (description:match("tunnel addresses: (.*)$") or ""):gmatch("%S+") do
			set[address] = true
		end
		tunnels[description] = set
	end
	return tunnels[description]
end

-- "198.51.100.1:4000" or "[2001:db8::1]:4000"
local function split(endpoint)
	local host, port = endpoint:match("^%[?(.-)%]?:(%d+)$")
	return host, tonumber(port)
end

local function original_add(t, flow, text)
	local from, to = text:match("^(%S+) > (%S+)$")
	if not from then
		return
	end
	t:add(bf.original, text):set_generated()
	for _, end_of in ipairs({ { "src", from }, { "dst", to } }) do
		local host, port = split(end_of[2])
		if host then
			t:add(bf[end_of[1]], host):set_generated()
			t:add(bf[end_of[1] .. "port"], port):set_generated()
		end
	end
end

-- One field at an offset; false when the bytes end before it.
local function blob_value_add(t, tvb, section, spec, at)
	local kind, name = spec:match("^(%S+) (%S+)$")
	local width = widths[kind]

	if at + width > tvb:len() then
		return false
	end
	local range = tvb(at, width)
	local field = bf["blob_" .. section .. "_" .. name]
	if kind == "addr" then
		local four = range(0, 1):uint() == 4
		t:add(field, range, tostring(four and range(1, 4):ipv4() or range(1, 16):ipv6()))
	else
		t:add(field, range)
	end
	return width
end

-- The fields of a section's contents, as far as there are bytes; how many were taken.
local function blob_fields_add(t, tvb, section, specs, first, at)
	local start = at
	for i = first, #specs do
		local width = blob_value_add(t, tvb, section, specs[i], at)
		if not width then
			break
		end
		at = at + width
	end
	return at - start
end

local function blob_section_add(t, tvb, section, at, len)
	local fields = blob_sections[section] or { "unknown" }
	local there = math.max(0, math.min(len, tvb:len() - at))
	local s = t:add(bf.blob_section, tvb(at - BLOB_SECTION_LEN, BLOB_SECTION_LEN + there), fields[1]:upper())

	s:append_text(string.format(", %d bytes%s", len, there < len and ", of which " .. there .. " were seen" or ""))
	if there == 0 then
		return
	end
	local contents = tvb(at, there):tvb()
	local taken = blob_fields_add(s, contents, fields[1], fields, 2, 0)
	local number = 0
	while section == 5 and taken + 7 <= there do
		local one = s:add(contents(taken, 7), string.format("Segment %d", number))
		taken = taken + blob_fields_add(one, contents, "segment", segment_fields, 1, taken)
		number = number + 1
	end
	if taken < there then
		s:add(bf.blob_bytes, contents(taken, there - taken))
	end
end

-- A blob's header and sections out of its first bytes, in hexadecimal.
local function blob_tree_add(t, hex, total)
	local tvb = ByteArray.new(hex):tvb("Opened blob")

	if tvb:len() < BLOB_HEADER_LEN or tvb(0, 4):uint() ~= 0x42544e42 then
		return
	end
	local b = t:add(tvb(), string.format("Blob, %d bytes%s", total,
		tvb:len() < total and ", of which the first " .. tvb:len() .. " were seen" or ""))
	b:add(bf.blob_version, tvb(4, 2))
	b:add(bf.blob_length, tvb(8, 4))
	local at = BLOB_HEADER_LEN
	while at + BLOB_SECTION_LEN <= tvb:len() do
		local section, len = tvb(at, 2):uint(), tvb(at + 2, 4):uint()
		blob_section_add(b, tvb, section, at + BLOB_SECTION_LEN, len)
		at = at + BLOB_SECTION_LEN + len
	end
end

-- A piece of a blob. The tree is of the first piece, and of all of it where this one completes it.
local function blob_piece_add(t, rest)
	local message, index, count, len, total = rest:match("message (%d+).-piece (%d+) of (%d+), (%d+) of (%d+) B")
	local hex, from, to, boot = rest:match(", hex (%x+)$"), get.frame_from(), get.frame_to(), get.frame_boot()

	if not hex or not from or not to or not boot then
		return
	end
	local key = string.format("%d %d %s %s", from.value, to.value, tostring(boot.value), message)
	local pieces = blobs[key] or {}
	blobs[key] = pieces
	if (tonumber(index) - 1) * tonumber(len) < BLOB_KEPT_MAX then
		pieces[tonumber(index)] = hex
	end
	local known = {}
	while pieces[#known + 1] and #known < tonumber(count) do
		known[#known + 1] = pieces[#known + 1]
	end
	if #known == tonumber(count) or #known * tonumber(len) >= BLOB_KEPT_MAX then
		blob_tree_add(t, table.concat(known), tonumber(total))
	elseif index == "1" then
		blob_tree_add(t, hex, tonumber(total))
	end
end

-- What the words of a comment say of the packet itself.
local function words_add(t, words)
	local reason = words:match("^dropped: (.*)$")
	if reason then
		t:add(bf.dropped, reason):set_generated()
		t:add_proto_expert_info(ef.dropped, "Dropped: " .. reason)
	end
	local bit = words:match("^corrupted by link: bit (%d+)$")
	if bit then
		t:add(bf.corrupted, tonumber(bit)):set_generated()
		t:add_proto_expert_info(ef.corrupted)
	end
	if words == "duplicated by link" then
		t:add(bf.duplicated, true):set_generated()
		t:add_proto_expert_info(ef.duplicated)
	end
	if words:match("^buffered before infusion") then
		t:add(bf.buffered, true):set_generated()
		t:add_proto_expert_info(ef.buffered)
	end
	local plain = words:match("^plain: (.*)$")
	for section in ((plain or "") .. " | "):gmatch("(.-) | ") do
		local message, rest = section:match("^(%u+), (message .*)$")
		if section ~= "" then
			t:add(bf.plain, (section:gsub(", hex %x+$", ""))):set_generated()
		end
		if message then
			local flow = rest:match("flow (%d+)")
			t:add(bf.message, message):set_generated()
			if flow then
				t:add(bf.message_flow, tonumber(flow)):set_generated()
			end
		end
		if message == "BLOB" then
			t:add(bf.blob, (rest:gsub(", hex %x+$", ""))):set_generated()
			blob_piece_add(t, rest)
		elseif message == "REJECT" then
			t:add_proto_expert_info(ef.refused, "Blob rejected: " .. (rest:match(", ([^,]*)$") or ""))
		end
	end
	for _, what in ipairs({ "retransmission", "rejected" }) do
		local why = words:match("^courier: " .. what .. " %((.*)%)$")
		if why then
			t:add(bf[what], why):set_generated()
			t:add_proto_expert_info(ef[what], string.format("Courier: %s, %s", what, why))
		end
	end
end

function baton.dissector(_, pinfo, tree)
	local comment, description = get.comment(), get.description()
	local src, dst = get.ip_src() or get.ipv6_src(), get.ip_dst() or get.ipv6_dst()
	local srcport, dstport = get.srcport(), get.dstport()
	local set = description and tunnels_of(description.value) or {}
	local bounced = dst and set[tostring(dst.value)]
	local tunnel = srcport and dstport and src and (set[tostring(src.value)] or bounced)

	comment = comment and comment.value
	if not tunnel and not comment then
		return
	end
	local t = tree:add(baton)
	t:set_generated()
	if tunnel then
		local flow = srcport.value * 65536 + dstport.value
		local node = comment and comment:match("^encapsulated, flow %d+ %-> ([^,;]+)") or
			comment and comment:match("^bounced, flow %d+, from ([^,;]+)")

		if comment and not bounced then
			originals[flow] = comment:match("^encapsulated, flow %d+ %-> [^,;]+, ([^;]+)") or originals[flow]
		end
		t:append_text(string.format(", %s, flow %d", bounced and "bounced" or "encapsulated", flow))
		t:add(bf.flow, flow):set_generated()
		if bounced then
			t:add(bf.bounced, true):set_generated()
		end
		if node then
			t:add(bf.node, node):set_generated()
		end
		if originals[flow] then
			original_add(t, flow, originals[flow])
		end
		pinfo.cols.info:prepend(string.format("flow %d%s%s: ", flow, node and (bounced and " from " or " to ") .. node or "",
			originals[flow] and ", " .. originals[flow] or ""))
	end
	for words in ((comment or "") .. "; "):gmatch("(.-); ") do
		words_add(t, words)
	end
end

register_postdissector(baton, true)
