#include "store/queue/open.h"
namespace minato {
Result<std::unique_ptr<Queue>> open_postgres_queue(const PostgresOptions&) { return fail(Errc::kUnavailable, "x"); }
Status remove_postgres_queue(const PostgresOptions&) { return {}; }
}  // namespace minato
