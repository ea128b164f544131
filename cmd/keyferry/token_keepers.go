package main

import (
	"time"

	"github.com/keyferry/keyferry/broker"
)

// keeperStandingRow is a keeper key in the table of token show.
type keeperStandingRow struct {
	Keeper    broker.KeeperID    `json:"keeper"`
	State     broker.KeeperState `json:"state"`
	MadeAt    time.Time          `json:"made_at"`
	RetiredAt time.Time          `json:"retired_at" table:"filled"`
	Records   int                `json:"records"`
	InToken   string             `json:"in_token"`
	Fault     string             `json:"fault" table:"filled"`
}

func keeperStandingRows(keepers []broker.KeeperStanding) []keeperStandingRow {
	var rows []keeperStandingRow
	for _, k := range keepers {
		row := keeperStandingRow{
			Keeper: k.ID, State: k.State, MadeAt: k.MadeAt, RetiredAt: k.RetiredAt, Records: k.Records, InToken: known(&k.Held), Fault: k.Fault,
		}
		if row.State == "" {
			row.State = "unknown"
		}
		rows = append(rows, row)
	}
	return rows
}
