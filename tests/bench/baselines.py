"""What an earlier implementation of the same idea reached, by the name of the figure that answers it.

Its real code, over an in-memory transport without network cost, on the same kind of machine.
"""

from __future__ import annotations

BASELINES: dict[str, str] = {
    "kill3_fast_confirmed_ms": "4,000–4,500",
    "kill3_fast_reclaimed_ms": "5,200–5,500",
    "kill3_fast_finished_ms": "4,800",
    "kill3_default_confirmed_ms": "10,500",
    "kill3_default_finished_ms": "37,000, once never",
    "submit_to_first_execution_p50_ms": "410 by auction, 3,400 by scan",
    "start_to_converged_s": "9 and more",
    "killed_neighbour_noticed_ms": "polled every 5,000",
    "jobs_never_ran_6": "1.3",
    "jobs_never_ran_20": "4.5",
    "jobs_never_ran_50": "4.7",
    "record_reaches_all_20_loss_0%_share": "47",
    "record_reaches_all_20_loss_20%_share": "21",
    "healed_split_equal_roots_max_s": "never, 5 of 5",
    "idle_frames_per_node_per_s_default_6": "10",
    "idle_frames_per_node_per_s_default_20": "38",
    "records_merged_per_s": "38–46",
    "shares_combined_per_s": "270–300",
    "late_joiner_learns_jobs": "0",
    "malformed_30_frames_ms": "2,900",
}
