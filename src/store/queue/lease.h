// The queue's rules for leases, on any QueueTables.
#pragma once

#include "store/queue/tables.h"

namespace minato {

// The keys of the steps that a request names: all when it names none; an entry that ends in ':' is a prefix.
std::vector<StepKey> requested_steps(const StepKeys& steps, const std::vector<std::string>& request);

// Leases in the transaction of `tables`, which is not committed yet.
Result<std::vector<Leased>> lease_lanes(QueueTables& tables, std::string_view worker, Time now,
                                        const LeaseRequest& request);

}  // namespace minato
