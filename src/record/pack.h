// Lists of texts in one text, for columns that are read and written as a whole: items separated by U+001E, their parts
// by U+001F, empty parts at an item's end left out. Internal to the registries.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "record/identity.h"

namespace minato::pack {

// Without control characters: what is stored.
std::string clean(std::string_view text);

std::string texts(const std::vector<std::string>& items);
std::vector<std::string> texts_of(std::string_view packed);
std::string names(const std::vector<PersonName>& items);
std::vector<PersonName> names_of(std::string_view packed);
std::string providers(const std::vector<ProviderClaim>& items);
std::vector<ProviderClaim> providers_of(std::string_view packed);

}  // namespace minato::pack
