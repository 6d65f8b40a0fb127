module tailstock

go 1.26
