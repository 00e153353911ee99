#pragma once

namespace minato {
inline constexpr const char* kVersion = "0.1.0";
}
