module pith

go 1.26.0
