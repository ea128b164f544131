package main

// rows are what is measured, in the order of the page.
func rows() []row {
	return []row{
		{name: "cost", what: "broker's cost: sequential imports at AWS ÷ a bare program with the same calls", must: bound{most: 1.10}, run: cost},
		{name: "bulk", what: "a list of AES keys without quotas: keys a second ÷ the lower of the token's own rate and the emulator's bare ceiling", must: bound{least: 0.85}, run: bulk},
		{name: "retain", what: "`retain: wrapped` ÷ `retain: token`, keys a second", must: bound{least: 10}, run: retainWrapped},
		{name: "quota", what: "a list under AWS's documented quotas, the clock scaled: share of GetParametersForImport that was used", must: bound{least: 0.95}, run: underQuota},
		{name: "three", what: "three targets at once ÷ the slowest alone", must: bound{most: 1.15}, run: threeTargets},
		{name: "inventory", what: "`keyferry inventory` with 1,000 keys, cold ÷ the sqlite3 shell with the same query", must: bound{most: 5}, run: inventory},
		{name: "memory", what: "memory of a list of 10,000 ÷ of 1,000", must: bound{most: 1.2}, run: memory},
		{name: "byhand", what: "one key by a script of aws, openssl and pkcs11-tool ÷ by keyferry", must: bound{least: 5}, run: byHand},
	}
}
