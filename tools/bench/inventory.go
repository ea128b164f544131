package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
)

// theSame is what `keyferry inventory` asks of the database.
const theSame = `SELECT k.id, k.name, k.spec, k.purpose, k.policy, k.environment, k.owner, k.created_at,
(SELECT json_group_object(t.name, t.value) FROM key_tags t WHERE t.key_id = k.id),
v.number, v.state, v.retain, v.material, v.provenance, v.created_at, v.activated_at,
p.target, p.step, p.version, p.consumer, p.remote, p.seen_at, p.valid_to, p.imported_at, p.transport, p.proof, p.terms
FROM keys k LEFT JOIN key_versions v ON v.key_id = k.id
LEFT JOIN placements p ON p.key_id = v.key_id AND p.number = v.number ORDER BY k.name, v.number, p.target`

// inventory is the program started anew for each answer, against the shell of its database.
func inventory(ctx context.Context, b *bench) ([]result, error) {
	s, err := b.site(ctx, wish{})
	if err != nil {
		return nil, err
	}
	defer s.close()
	n := b.keys(1000)
	if _, err := s.bring(ctx, n, workers, "aws"); err != nil {
		return nil, err
	}
	var ratios, millis, mebibytes []float64
	for range 5*b.rounds + 1 {
		shell, err := spend(ctx, s.dir, s.env, "sqlite3", "-json", "file:"+filepath.Join(s.dir, "keyferry.db")+"?mode=ro", theSame)
		if err != nil {
			return nil, err
		}
		ours, err := s.keyferry(ctx, "inventory", "--output", "json")
		if err != nil {
			return nil, err
		}
		if a, o := rowsIn(shell), rowsIn(ours); a != n || o != n {
			return nil, fmt.Errorf("%d keys: the shell shows %d, keyferry %d", n, a, o)
		}
		ratios = append(ratios, ours.wall.Seconds()/shell.wall.Seconds())
		millis = append(millis, float64(ours.wall.Microseconds())/1000)
		resident, err := b.programs.resident(ctx, s.dir, s.env, b.programs.keyferry, "inventory")
		if err != nil {
			return nil, err
		}
		mebibytes = append(mebibytes, resident)
	}
	parts := fmt.Sprintf("%d keys", n)
	return []result{
		{figure: median(ratios), parts: parts},
		{of: "milliseconds", figure: median(millis), must: &bound{most: 60}, parts: parts},
		{of: "MiB resident", figure: median(mebibytes), must: &bound{most: 40}, parts: parts},
	}, nil
}

// rowsIn counts the keys of an answer in JSON.
func rowsIn(s spent) int { return strings.Count(string(s.stdout), `"list1/key-`) }
