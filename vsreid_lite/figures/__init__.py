"""The paper's figures and its Table 2 in the paper's layout, with our data: arrays and results in, figure out."""
