"""Work in parts: the plan, the engines that carry it out, and what joins the parts."""
