std = "ngx_lua"
max_line_length = 120
globals = { "kong" }
unused_args = false
files["spec"] = { std = "+busted" }
