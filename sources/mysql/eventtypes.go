package mysql

// Types of binary log events, from log_event.h of MySQL and MariaDB.
const (
	eventQuery         = 2
	eventStop          = 3
	eventRotate        = 4
	eventIntvar        = 5
	eventRand          = 13
	eventUserVar       = 14
	eventFormat        = 15
	eventXID           = 16
	eventBeginLoad     = 17
	eventExecuteLoad   = 18
	eventTableMap      = 19
	eventWriteRowsV1   = 23
	eventUpdateRowsV1  = 24
	eventDeleteRowsV1  = 25
	eventIncident      = 26
	eventHeartbeat     = 27
	eventIgnorable     = 28
	eventRowsQuery     = 29
	eventWriteRows     = 30
	eventUpdateRows    = 31
	eventDeleteRows    = 32
	eventGTID          = 33
	eventAnonymousGTID = 34
	eventPreviousGTIDs = 35
	eventContext       = 36
	eventViewChange    = 37
	eventXAPrepare     = 38
	eventPartialUpdate = 39
	eventPayload       = 40
	eventHeartbeatV2   = 41
	eventTaggedGTID    = 42

	eventMariaAnnotate         = 160
	eventMariaCheckpoint       = 161
	eventMariaGTID             = 162
	eventMariaGTIDList         = 163
	eventMariaEncryption       = 164
	eventMariaQueryCompressed  = 165
	eventMariaWriteCompressed  = 166
	eventMariaUpdateCompressed = 167
	eventMariaDeleteCompressed = 168
)

// Flags of events.
const (
	flagArtificial = 0x20
	flagIgnorable  = 0x80
)

// eventHeaderBytes is the length of an event's header.
const eventHeaderBytes = 19

// eventHeader is what every event begins with.
type eventHeader struct {
	timestamp uint32
	kind      uint8
	server    uint32
	size      uint32
	// end is the offset behind the event, modulo 2^32; 0 in events that are not in the file.
	end   uint32
	flags uint16
}

func (w *wire) header() eventHeader {
	return eventHeader{w.uint32(), w.uint8(), w.uint32(), w.uint32(), w.uint32(), w.uint16()}
}

// Types of fields, from field_types.h. The last two are MariaDB's.
const (
	fieldTiny              = 1
	fieldShort             = 2
	fieldLong              = 3
	fieldFloat             = 4
	fieldDouble            = 5
	fieldNull              = 6
	fieldTimestamp         = 7
	fieldLongLong          = 8
	fieldInt24             = 9
	fieldDate              = 10
	fieldTime              = 11
	fieldDateTime          = 12
	fieldYear              = 13
	fieldNewDate           = 14
	fieldVarchar           = 15
	fieldBit               = 16
	fieldTimestamp2        = 17
	fieldDateTime2         = 18
	fieldTime2             = 19
	fieldBlobCompressed    = 140
	fieldVarcharCompressed = 141
	fieldVector            = 242
	fieldJSON              = 245
	fieldDecimal           = 246
	fieldEnum              = 247
	fieldSet               = 248
	fieldTinyBlob          = 249
	fieldMediumBlob        = 250
	fieldLongBlob          = 251
	fieldBlob              = 252
	fieldVarString         = 253
	fieldString            = 254
	fieldGeometry          = 255
)
