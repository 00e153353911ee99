#include "flow/pix_guard.h"

namespace minato {

GuardedMaster::GuardedMaster(std::unique_ptr<PatientMaster> inner, const MasterOptions& options, Clock& clock)
    : inner_(std::move(inner)),
      cache_for_(options.cache_for),
      cache_unknown_for_(options.cache_unknown_for),
      clock_(clock),
      breaker_(options.breaker),
      identifiers_(options.cache_entries_max),
      people_(options.cache_entries_max) {}

template <typename T, typename Ask>
Result<T> GuardedMaster::guarded(ExpiringCache<T>& cache, const Identifier& key, Ask ask) {
  const std::string text = key.domain + '\x1F' + key.value;
  {
    const std::lock_guard lock(mutex_);
    if (const T* const known = cache.find(text, clock_.steady())) return *known;
  }
  if (!breaker_.allow(clock_.steady())) return fail(Errc::kUnavailable, "circuit open");
  Result<T> answer = ask();
  if (!answer && answer.error().code != Errc::kRefused && answer.error().code != Errc::kNotFound) {
    breaker_.failed(clock_.steady());
    return answer;
  }
  breaker_.succeeded();
  if (!answer) return answer;
  const std::lock_guard lock(mutex_);
  cache.put(text, *answer, clock_.steady() + (answer->empty() ? cache_unknown_for_ : cache_for_));
  return answer;
}

Result<std::vector<Identifier>> GuardedMaster::identifiers(const Identifier& of) {
  return guarded(identifiers_, of, [&] { return inner_->identifiers(of); });
}

Result<std::vector<MasterPerson>> GuardedMaster::people(const Identifier& with) {
  return guarded(people_, with, [&] { return inner_->people(with); });
}

}  // namespace minato
